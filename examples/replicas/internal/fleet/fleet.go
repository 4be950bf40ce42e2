package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
)

type (
	simulator = stage.Process[stage.Address]
	worker    = stage.Process[stage.Report]
)

// A fleet is the running processes of a row.
type fleet struct {
	row      *row
	redis    *stage.Redis // nil: no store
	provider *simulator

	started int
	workers []*worker
	victims []stage.Report // of the killed workers
	frozen  *worker        // the worker that is frozen, or was last
	events  int
	notes   []string // on the events
}

// happened notes an event.
func (f *fleet) happened(what string) {
	f.events++
	f.notes = append(f.notes, time.Now().Format("15:04:05.000 ")+what)
}

// play plays a row for a while.
func (r *row) play(ctx context.Context, length time.Duration) (result, error) {
	f := &fleet{row: r}
	defer f.close()
	if err := f.start(); err != nil {
		return result{}, err
	}
	begin := time.Now()
	playing, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	if r.events != nil {
		if err := r.events(playing, f); err != nil && playing.Err() == nil {
			return result{}, err
		}
	}
	<-playing.Done()
	if ctx.Err() != nil {
		return result{}, ctx.Err()
	}
	sum, err := f.finish()
	sum.length = time.Since(begin)
	return sum, err
}

func (f *fleet) start() error {
	var err error
	if f.row.store {
		if f.redis, err = stage.StartRedis(); err != nil {
			return err
		}
	}
	arguments, err := f.arguments("")
	if err != nil {
		return err
	}
	if f.provider, err = stage.Start[stage.Address](f.row.provider, f.row.provider, arguments); err != nil {
		return err
	}
	for range workers {
		w, err := f.startWorker()
		if err != nil {
			return err
		}
		f.workers = append(f.workers, w)
	}
	return nil
}

// arguments returns the setting of a process as its argument.
func (f *fleet) arguments(worker string) (string, error) {
	s := f.row.setting
	s.Worker = worker
	if f.provider != nil {
		s.Provider = f.provider.Last().Provider
	}
	if f.redis != nil {
		s.Redis = f.redis.Addr
	}
	b, err := json.Marshal(s)
	return string(b), err
}

func (f *fleet) startWorker() (*worker, error) {
	f.started++
	name := fmt.Sprint("worker ", f.started)
	arguments, err := f.arguments(name)
	if err != nil {
		return nil, err
	}
	return stage.Start[stage.Report](name, f.row.worker, arguments)
}

// finish stops the workers, and adds up what they and the provider say.
func (f *fleet) finish() (result, error) {
	r := result{row: f.row, events: f.events, notes: f.notes, failed: stage.Failures{}, failedVictims: stage.Failures{}}
	reports, err := stage.StopAll(f.workers)
	if err != nil {
		return r, err
	}
	for i, report := range reports {
		r.add(report)
		if f.workers[i] == f.frozen {
			r.failedVictims.Add(report.Failed)
		} else {
			r.failed.Add(report.Failed)
			r.stall = max(r.stall, report.Stall)
		}
	}
	for _, report := range f.victims {
		r.add(report)
		r.failed.Add(report.Failed) // before it was killed
	}
	var into any = &r.verdict
	if f.row.provider == "bank" {
		r.bank = &bankVerdict{}
		into = r.bank
	}
	err = stage.Ask(f.provider.Last().Control, "/verdict", into)
	r.stall = max(r.stall, r.verdict.Stall)
	return r, err
}

func (f *fleet) close() {
	stage.KillAll(f.workers)
	if f.provider != nil {
		f.provider.Kill()
	}
	if f.redis != nil {
		f.redis.Close()
	}
}

// creator waits until a worker has just asked for a token, so that it holds a
// lease. wanted says which workers count.
func (f *fleet) creator(ctx context.Context, wanted func(*worker) bool) (int, error) {
	for {
		var creating []string
		if err := stage.Ask(f.provider.Last().Control, "/creating", &creating); err != nil {
			return 0, err
		}
		rand.Shuffle(len(creating), func(i, j int) { creating[i], creating[j] = creating[j], creating[i] })
		for _, name := range creating {
			i := slices.IndexFunc(f.workers, func(w *worker) bool { return w.Name == name && wanted(w) })
			if i >= 0 {
				return i, nil
			}
		}
		if err := wait(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// wait fails if ctx ends before d has passed.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// left returns how long the row still plays.
func left(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// lease returns how long a lease lasts: an attempt, and up to two seconds for clocks
// and for the store.
func (f *fleet) lease() time.Duration {
	attempt := f.row.setting.Attempt
	return attempt + min(2*time.Second, attempt)
}

// warmUp is the time in which the first tokens are made.
const warmUp = 2 * time.Second

// killHolders kills a worker that holds a lease every 5 seconds, and starts
// another in its place. It leaves the time for the last lease to be taken over.
func killHolders(ctx context.Context, f *fleet) error {
	for pause := warmUp; ; pause = 5 * time.Second {
		if err := wait(ctx, pause); err != nil {
			return err
		}
		i, err := f.creator(ctx, func(*worker) bool { return true })
		if err != nil {
			return err
		}
		if left(ctx) < f.lease()+time.Second {
			return nil
		}
		f.happened(f.workers[i].Name + " is killed")
		f.workers[i].Kill()
		f.victims = append(f.victims, f.workers[i].Last())
		if f.workers[i], err = f.startWorker(); err != nil {
			return err
		}
	}
}

// freezeHolder freezes the same worker again and again, each time while it holds a
// lease, and for a second longer than the lease lasts.
func freezeHolder(ctx context.Context, f *fleet) error {
	f.frozen = f.workers[0]
	stopped := f.lease() + time.Second
	for {
		if err := wait(ctx, warmUp); err != nil {
			return err
		}
		if _, err := f.creator(ctx, func(w *worker) bool { return w == f.frozen }); err != nil {
			return err
		}
		if left(ctx) < stopped+time.Second {
			return nil
		}
		if err := f.frozen.Freeze(); err != nil {
			return err
		}
		f.happened(f.frozen.Name + " is stopped")
		err := wait(ctx, stopped)
		if err := errors.Join(err, f.frozen.Thaw()); err != nil {
			return err
		}
	}
}

const outage = 5 * time.Second

// freezeRedis stops Redis for 5 seconds, in the middle of the row.
func freezeRedis(ctx context.Context, f *fleet) error {
	if err := wait(ctx, (left(ctx)-outage)/2); err != nil {
		return err
	}
	f.happened("Redis is stopped")
	if err := f.redis.Freeze(); err != nil {
		return err
	}
	err := wait(ctx, outage)
	return errors.Join(err, f.redis.Thaw())
}

// loseRedis kills Redis in the middle of the row, and starts it anew, empty, after
// a while.
func loseRedis(down time.Duration) func(context.Context, *fleet) error {
	return func(ctx context.Context, f *fleet) error {
		if err := wait(ctx, (left(ctx)-down)/2); err != nil {
			return err
		}
		return loseRedisNow(ctx, f, down)
	}
}

func loseRedisNow(ctx context.Context, f *fleet, down time.Duration) error {
	f.happened("Redis is killed")
	f.redis.Kill()
	if err := stage.Ask(f.provider.Last().Control, "/lost", nil); err != nil {
		return err
	}
	if err := wait(ctx, down); err != nil {
		return err
	}
	return f.redis.Restart()
}

// loseRedisInRest kills Redis while no token is being created, so that only a lost
// connection tells the workers of it. Redis is back at once, empty.
func loseRedisInRest(ctx context.Context, f *fleet) error {
	if err := wait(ctx, left(ctx)/2-time.Second); err != nil {
		return err
	}
	for {
		var now stage.Progress
		if err := stage.Ask(f.provider.Last().Control, "/progress", &now); err != nil {
			return err
		}
		if now.Players == f.row.setting.Players && now.UnderWay == 0 {
			return loseRedisNow(ctx, f, 0)
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// killTokens kills the token of some player every 500 ms, as another system does
// that has the same merchant's secret.
func killTokens(ctx context.Context, f *fleet) error {
	for left(ctx) > 2*time.Second {
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		player := stage.Player(rand.IntN(f.row.setting.Players))
		if err := stage.Ask(f.provider.Last().Control, "/outside?player="+player, nil); err != nil {
			return err
		}
		f.happened("the token of " + player + " is killed")
	}
	return nil
}

// A result is what a row has shown.
type result struct {
	row           *row
	length        time.Duration
	short         bool     // the row was played in its short form
	events        int      // processes killed or frozen, outages of Redis, tokens killed by another system
	notes         []string // on the events
	calls         int
	failed        stage.Failures
	failedVictims stage.Failures // of the process that was frozen
	stats         providerauth.Stats
	verdict       stage.Verdict
	bank          *bankVerdict  // in place of verdict
	stall         time.Duration // the longest time in which a process did not run, that of the stopped process excepted
}

// stalled reports whether the machine stopped a process for so long that the time
// limits of the row may have passed.
func (r *result) stalled() bool {
	return r.stall > min(r.row.setting.Attempt, r.row.setting.StoreTimeout)/2
}

// add adds what a worker says.
func (r *result) add(report stage.Report) {
	r.calls += report.Calls
	r.stats.Adopted += report.Stats.Adopted
	r.stats.StoreFailures += report.Stats.StoreFailures
	r.stats.Takeovers += report.Stats.Takeovers
	r.stats.Conflicts += report.Stats.Conflicts
	r.stats.Restored += report.Stats.Restored
	r.stats.NoticesDropped += report.Stats.NoticesDropped
	r.stats.Unsaved += report.Stats.Unsaved
}
