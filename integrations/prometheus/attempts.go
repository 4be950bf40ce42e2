package providerauthprom

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	providerauth "github.com/providerauth/providerauth-go"
)

// Attempts counts HTTP requests by provider, op and outcome, and times them by
// provider and op. It is a prometheus.Collector, and safe for concurrent use.
type Attempts struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewAttempts makes Attempts. Set Observe as Config.OnAttempt of each client.
func NewAttempts() *Attempts {
	return &Attempts{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "providerauth_attempts_total",
			Help: "HTTP requests to providers, repetitions and token requests included.",
		}, []string{"provider", "op", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "providerauth_attempt_duration_seconds",
			Help:    "Time from connecting to the end of the answer's body.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, // to the default AttemptTimeout
		}, []string{"provider", "op"}),
	}
}

// Observe is a Config.OnAttempt.
func (a *Attempts) Observe(_ context.Context, at providerauth.Attempt) {
	// The vectors return an error instead of a panic for a label that is not UTF-8.
	if c, err := a.total.GetMetricWithLabelValues(at.Provider, at.Op, string(at.Outcome)); err == nil {
		c.Inc()
	}
	if h, err := a.duration.GetMetricWithLabelValues(at.Provider, at.Op); err == nil {
		h.Observe(at.Duration.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (a *Attempts) Describe(ch chan<- *prometheus.Desc) {
	a.total.Describe(ch)
	a.duration.Describe(ch)
}

// Collect implements prometheus.Collector.
func (a *Attempts) Collect(ch chan<- prometheus.Metric) {
	a.total.Collect(ch)
	a.duration.Collect(ch)
}
