package providerauthprom

import (
	"context"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/providerauth/providerauth-go/klas"
)

// WebhookOptions bound the labels of [Webhooks].
type WebhookOptions struct {
	// Paths are the paths of the webhooks, such as "/klas/authenticate". Without
	// them each path is "other".
	Paths []string
	// Codes are status codes of the program's own handlers, beside the constants of
	// package klas.
	Codes []klas.StatusCode
}

// Webhooks counts and times webhooks. It is a prometheus.Collector, and safe for
// concurrent use.
type Webhooks struct {
	paths, codes map[string]string // to the value of the label
	total        *prometheus.CounterVec
	duration     *prometheus.HistogramVec
}

// NewWebhooks makes Webhooks. Set Observe as OnResult of klas.Config.
func NewWebhooks(opt WebhookOptions) *Webhooks {
	w := &Webhooks{
		paths: map[string]string{},
		codes: map[string]string{"": "none"},
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "providerauth_webhook_results_total",
			Help: "Webhooks by the status_code of their answer, and by whether the answer left.",
		}, []string{"path", "code", "sent"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "providerauth_webhook_duration_seconds",
			Help:    "Time from the header of a webhook to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"path", "code"}),
	}
	for _, p := range opt.Paths {
		w.paths[p] = strings.ToValidUTF8(p, "\uFFFD")
	}
	own := []klas.StatusCode{
		klas.StatusOK, klas.StatusInvalidBody, klas.StatusBadParams, klas.StatusUnknown, klas.StatusIntegrityCheckFailed,
	}
	for _, c := range append(own, opt.Codes...) {
		if c != "" {
			w.codes[string(c)] = strings.ToValidUTF8(string(c), "\uFFFD")
		}
	}
	return w
}

// Observe is an OnResult of klas.Config. The label sent is "false" if
// Result.SendErr is set: Klas then has no answer.
func (w *Webhooks) Observe(_ context.Context, r klas.Result) {
	path, code := known(w.paths, r.Path), known(w.codes, string(r.Code))
	if c, err := w.total.GetMetricWithLabelValues(path, code, strconv.FormatBool(r.SendErr == nil)); err == nil {
		c.Inc()
	}
	if h, err := w.duration.GetMetricWithLabelValues(path, code); err == nil {
		h.Observe(r.Duration.Seconds())
	}
}

func known(labels map[string]string, value string) string {
	if label, ok := labels[value]; ok {
		return label
	}
	return "other"
}

// Describe implements prometheus.Collector.
func (w *Webhooks) Describe(ch chan<- *prometheus.Desc) {
	w.total.Describe(ch)
	w.duration.Describe(ch)
}

// Collect implements prometheus.Collector.
func (w *Webhooks) Collect(ch chan<- prometheus.Metric) {
	w.total.Collect(ch)
	w.duration.Collect(ch)
}
