package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
)

const workers = 8

// A row is a fleet, what happens to it, and what it may show.
type row struct {
	name        string
	full, short time.Duration // how long it is played
	store       bool
	provider    string // the processes, by their names in parts
	worker      string
	setting     setting
	events      func(context.Context, *fleet) error
	limits      []limit
}

// A limit returns what is wrong with a result, "" if nothing is. before holds the
// results of the rows before.
type limit func(r result, before []result) string

// problems returns what is wrong with the result of a row.
func (r *row) problems(got result, before []result) []string {
	var all []string
	for _, limit := range r.limits {
		if problem := limit(got, before); problem != "" {
			all = append(all, problem)
		}
	}
	return all
}

// The time limits are long, because a loaded machine may stop a process for a second,
// except where a row waits for them to pass.
var (
	// busy is for tokens that are replaced all the time.
	busy = setting{
		Life: 2 * time.Second, Latency: 20 * time.Millisecond, Attempt: 10 * time.Second, StoreTimeout: 5 * time.Second,
		Callers: 50, Players: 200, Pause: 300 * time.Millisecond,
	}
	// outages is for a store that is away for longer than StoreTimeout.
	outages = setting{
		Life: 2 * time.Second, Latency: 20 * time.Millisecond, Attempt: 10 * time.Second, StoreTimeout: time.Second,
		Callers: 50, Players: 200, Pause: 300 * time.Millisecond,
	}
	// slow is for a fleet in which somebody often holds a lease. A lease lasts 3
	// seconds, and a token is not due yet when that is over.
	slow = setting{
		Life: 6 * time.Second, Latency: 300 * time.Millisecond, Attempt: 1500 * time.Millisecond, StoreTimeout: 2 * time.Second,
		Callers: 50, Players: 200, Pause: 300 * time.Millisecond,
	}
	// many is for tokens that are not replaced in the time of the row.
	many = setting{
		Life: time.Minute, Latency: 20 * time.Millisecond, Attempt: 10 * time.Second, StoreTimeout: time.Second,
		Callers: 50, Players: 2000, Pause: 150 * time.Millisecond,
	}
	// single is for one session of all processes.
	single = setting{
		Life: 3 * time.Second, Attempt: 10 * time.Second, StoreTimeout: 5 * time.Second,
		Callers: 50, Players: 1, Pause: 300 * time.Millisecond,
	}
)

// mute hides the Notifier of the store. Without it, only a process that is creating a
// token notices that the store has lost its data.
func mute(s setting) setting {
	s.WithoutNews = true
	return s
}

const withoutWriteBack = "Redis lost, 2,000 players, no write-back"

var rows = []row{
	{
		name: "without a store", full: time.Minute, short: 8 * time.Second,
		provider: "platform", worker: "player", setting: busy,
	},
	{
		name: "with a store", full: time.Minute, short: 15 * time.Second, store: true,
		provider: "platform", worker: "player", setting: busy,
		limits: []limit{noFailures, further(0), notAtOnce, adopts},
	},
	{
		name: "a holder killed every 5 s", full: time.Minute, short: 15 * time.Second, store: true,
		provider: "platform", worker: "player", setting: slow, events: killHolders,
		limits: []limit{happened, noFailures, furtherPerLease, notAtOnce, takeovers},
	},
	{
		name: "a holder stopped for a lease and 1 s", full: time.Minute, short: 15 * time.Second, store: true,
		provider: "platform", worker: "player", setting: slow, events: freezeHolder,
		limits: []limit{happened, noFailures, furtherPerLease, takeovers},
	},
	{
		name: "Redis stopped for 5 s", full: time.Minute, short: 12 * time.Second, store: true,
		provider: "platform", worker: "player", setting: outages, events: freezeRedis,
		limits: []limit{happened, onlyUnavailable, furtherPerPlayer, notAtOnce},
	},
	{
		name: "Redis lost, back after 5 s", full: time.Minute, short: 12 * time.Second, store: true,
		provider: "platform", worker: "player", setting: outages, events: loseRedis(outage),
		limits: []limit{happened, onlyUnavailable, furtherPerPlayer, notAtOnce},
	},
	{
		name: "Redis lost, back at once", full: time.Minute, short: 10 * time.Second, store: true,
		provider: "platform", worker: "player", setting: outages, events: loseRedis(0),
		limits: []limit{happened, onlyUnavailable, furtherPerPlayer, notAtOnce},
	},
	{
		name: withoutWriteBack, full: 30 * time.Second, short: 14 * time.Second, store: true,
		provider: "platform", worker: "player", setting: mute(many), events: loseRedisInRest,
		limits: []limit{happened, onlyUnavailable, furtherPerPlayer, notAtOnce},
	},
	{
		name: "Redis lost, 2,000 players", full: 30 * time.Second, short: 14 * time.Second, store: true,
		provider: "platform", worker: "player", setting: many, events: loseRedisInRest,
		limits: []limit{happened, onlyUnavailable, furtherPerPlayer, notAtOnce, restored},
	},
	{
		name: "another system kills tokens", full: time.Minute, short: 8 * time.Second, store: true,
		provider: "platform", worker: "player", setting: busy, events: killTokens,
		limits: []limit{happened, noFailures, furtherPerEvent(2)},
	},
	{
		name: "one session", full: time.Minute, short: 8 * time.Second, store: true,
		provider: "bank", worker: "merchant", setting: single,
		limits: []limit{noFailures, oneLogin, adopts},
	},
}

func happened(r result, _ []result) string {
	if r.events == 0 {
		return "nothing happened to the fleet"
	}
	return ""
}

func noFailures(r result, _ []result) string {
	if len(r.failed) > 0 {
		return "failed calls: " + r.failed.String()
	}
	return ""
}

// onlyUnavailable lets calls fail for want of the store, for players that need a
// new token.
func onlyUnavailable(r result, _ []result) string {
	for kind := range r.failed {
		if kind != stage.Unavailable {
			return "failed calls: " + r.failed.String()
		}
	}
	return ""
}

func further(most int) limit {
	return func(r result, _ []result) string {
		return atMost("further creations", r.verdict.Creations.Further, most)
	}
}

func furtherPerEvent(most int) limit {
	return func(r result, _ []result) string {
		return atMost("further creations", r.verdict.Creations.Further, most*r.events)
	}
}

// furtherPerLease allows two further creations for each lease whose holder was killed
// or stopped. A process may have held several.
func furtherPerLease(r result, _ []result) string {
	leases := max(r.events, int(r.stats.Takeovers))
	return atMost("further creations", r.verdict.Creations.Further, 2*leases)
}

func furtherPerPlayer(r result, _ []result) string {
	return atMost("further creations of a player", r.verdict.Creations.MostFurther, 1)
}

func notAtOnce(r result, _ []result) string {
	return atMost("creations of one player at once", r.verdict.Creations.Overlapping, 0)
}

func atMost(what string, n, most int) string {
	if n > most {
		return fmt.Sprintf("%d %s, at most %d may be", n, what, most)
	}
	return ""
}

// adopts makes sure that the processes share anything at all.
func adopts(r result, _ []result) string {
	if r.stats.Adopted == 0 {
		return "no token was adopted from another process"
	}
	return ""
}

// takeovers makes sure that processes were killed or stopped while they held a
// lease.
func takeovers(r result, _ []result) string {
	least := uint64(3)
	if r.short {
		least = 1
	}
	if r.stats.Takeovers < least {
		return fmt.Sprintf("%d leases were taken over, at least %d must be", r.stats.Takeovers, least)
	}
	return ""
}

// restored compares with the same row without write-back.
func restored(r result, before []result) string {
	if r.stats.Restored == 0 {
		return "nothing was written back"
	}
	i := slices.IndexFunc(before, func(r result) bool { return r.row.name == withoutWriteBack })
	if i < 0 {
		return ""
	}
	if n := before[i].stats.Restored; n > 0 {
		return fmt.Sprintf("%d records were written back in the row to compare with", n)
	}
	return atMost("further creations with write-back", r.verdict.Creations.Further, before[i].verdict.Creations.Further/2)
}

func oneLogin(r result, _ []result) string {
	if r.bank.Logins != 1 || r.bank.Shared != 0 || r.bank.Replays != 0 || r.bank.Refreshes == 0 {
		return fmt.Sprintf("%d logins, %d refreshes, %d refresh tokens sent by two processes, %d sent after their replacement was used",
			r.bank.Logins, r.bank.Refreshes, r.bank.Shared, r.bank.Replays)
	}
	return ""
}

// show prints the table.
func show(w io.Writer, results []result) error {
	fmt.Fprintf(w, "%d processes of %d goroutines each\n\n", workers, busy.Callers)
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	columns(table, "row", "seconds", "events", "calls", "failed", "failed in the stopped process", "rejected calls",
		"creations due", "further", "most of a player", "at once", "adopted", "takeovers", "conflicts", "restored", "unsaved", "store failures")
	for _, r := range results {
		due, more, most, atOnce, rejected := r.verdict.Creations.Due, r.verdict.Creations.Further, r.verdict.Creations.MostFurther, r.verdict.Creations.Overlapping, r.verdict.Rejected
		if r.bank != nil {
			continue
		}
		columns(table, r.row.name, fmt.Sprintf("%.0f", r.length.Seconds()), r.events, r.calls, r.failed, r.failedVictims, rejected,
			due, more, most, atOnce, r.stats.Adopted, r.stats.Takeovers, r.stats.Conflicts, r.stats.Restored, r.stats.Unsaved, r.stats.StoreFailures)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.bank != nil {
			fmt.Fprintf(w, "\n%s: %.0f s, %d calls, failed %s, %d rejected, %d logins, %d refreshes, %d refresh tokens sent by two processes, %d adopted\n",
				r.row.name, r.length.Seconds(), r.calls, r.failed, r.bank.Rejected, r.bank.Logins, r.bank.Refreshes, r.bank.Shared, r.stats.Adopted)
		}
	}
	return nil
}

func columns(w io.Writer, cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t ")
		}
		fmt.Fprint(w, cell)
	}
	fmt.Fprintln(w)
}
