package providerauthprom

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	providerauth "github.com/providerauth/providerauth-go"
)

// A Source has figures. The Clients of assetpay, merchantauth, partnerjwt and
// platformtoken are Sources.
type Source interface {
	Stats() providerauth.Stats
}

// A Collector exports the [providerauth.Stats] of clients. It is a
// prometheus.Collector, and reads the figures when it is scraped.
type Collector struct {
	clients map[string]Source
}

// NewCollector makes a Collector of clients by their names, the values of the label
// client. It keeps a copy of the map. Each name must be UTF-8 and each Source not
// nil, or NewCollector returns an error.
func NewCollector(clients map[string]Source) (*Collector, error) {
	c := &Collector{clients: make(map[string]Source, len(clients))}
	var errs []error
	for name, source := range clients {
		switch {
		case !utf8.ValidString(name):
			errs = append(errs, fmt.Errorf("providerauthprom: client %q: the name is not UTF-8", name))
		case source == nil:
			errs = append(errs, fmt.Errorf("providerauthprom: client %q: the Source is nil", name))
		default:
			c.clients[name] = source
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range figures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for name, source := range c.clients {
		stats := source.Stats()
		for _, f := range figures {
			m, err := prometheus.NewConstMetric(f.desc, f.kind, f.value(stats), name)
			if err != nil {
				m = prometheus.NewInvalidMetric(f.desc, err)
			}
			ch <- m
		}
	}
}

// A figure is a field of Stats as a metric.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(providerauth.Stats) float64
}

func counter(name, help string, value func(providerauth.Stats) uint64) figure {
	return figure{describe(name, help), prometheus.CounterValue, func(s providerauth.Stats) float64 { return float64(value(s)) }}
}

func gauge(name, help string, value func(providerauth.Stats) int) figure {
	return figure{describe(name, help), prometheus.GaugeValue, func(s providerauth.Stats) float64 { return float64(value(s)) }}
}

// timestamp exports 0 for the zero time: a rule on an absent series would not fire.
func timestamp(name, help string, value func(providerauth.Stats) time.Time) figure {
	return figure{describe(name, help), prometheus.GaugeValue, func(s providerauth.Stats) float64 {
		t := value(s)
		if t.IsZero() {
			return 0
		}
		return float64(t.UnixMilli()) / 1000
	}}
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("providerauth_"+name, help, []string{"client"}, nil)
}

var figures = []figure{
	counter("token_waits_total", "Callers who waited for a token request.",
		func(s providerauth.Stats) uint64 { return s.Waits }),
	counter("token_refreshes_total", "Token requests that brought a token.",
		func(s providerauth.Stats) uint64 { return s.Refreshes }),
	counter("token_refresh_failures_total", "Token requests that brought no token.",
		func(s providerauth.Stats) uint64 { return s.Failures }),
	counter("token_invalidations_total", "Tokens dropped after a rejection.",
		func(s providerauth.Stats) uint64 { return s.Invalidations }),
	counter("token_contested_total", "Calls that failed because no other token was to be had, and rejections passed on for it.",
		func(s providerauth.Stats) uint64 { return s.Contested }),
	counter("token_evictions_total", "Users dropped to make room.",
		func(s providerauth.Stats) uint64 { return s.Evictions }),
	counter("token_live_evictions_total", "Evictions of a token that a new token will invalidate.",
		func(s providerauth.Stats) uint64 { return s.EvictedLive }),
	gauge("tokens", "Users with a token.",
		func(s providerauth.Stats) int { return s.Entries }),
	gauge("token_requests_in_flight", "Token requests under way.",
		func(s providerauth.Stats) int { return s.InFlight }),
	gauge("abandoned_requests", "Requests still running in a RoundTripper after the end of their context.",
		func(s providerauth.Stats) int { return s.Abandoned }),
	timestamp("last_failure_timestamp_seconds", "Time of the last token request that brought no token; 0: never.",
		func(s providerauth.Stats) time.Time { return s.LastFailure }),
	timestamp("backoff_until_timestamp_seconds", "End of the back-off in force, at the latest; 0: none.",
		func(s providerauth.Stats) time.Time { return s.BackoffUntil }),
	counter("token_adopted_total", "Token requests that ended with a token of another process.",
		func(s providerauth.Stats) uint64 { return s.Adopted }),
	counter("store_failures_total", "Failed operations of the store.",
		func(s providerauth.Stats) uint64 { return s.StoreFailures }),
	counter("store_takeovers_total", "Leases that another process held until they ran out.",
		func(s providerauth.Stats) uint64 { return s.Takeovers }),
	counter("store_conflicts_total", "Tokens dropped because another process had taken over the lease.",
		func(s providerauth.Stats) uint64 { return s.Conflicts }),
	counter("store_restored_total", "Records written back after the store had lost them.",
		func(s providerauth.Stats) uint64 { return s.Restored }),
	counter("store_notices_dropped_total", "Notices to other processes left out because of their limit.",
		func(s providerauth.Stats) uint64 { return s.NoticesDropped }),
	gauge("store_unsaved_tokens", "Tokens in use that could not be saved yet.",
		func(s providerauth.Stats) int { return s.Unsaved }),
}
