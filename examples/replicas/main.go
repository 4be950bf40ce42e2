// Replicas shows what happens to an operator with four processes on a platform
// where a new token kills the previous token of the same player: first without a
// store, then with a store in Redis, which the processes share.
//
//	go run .
//
// It starts a redis-server on a free port, the platform as a simulator, and the
// four processes, all on this machine. worker.go is such a process: a plain use of
// platformtoken. Each of the two runs ends by itself after the time of flag -d.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
)

const (
	workers = 4
	life    = 2 * time.Second // of a token
)

func main() {
	if err := play(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "replicas:", err)
		os.Exit(1)
	}
}

// play is what this process is for: the program starts itself again as the platform
// and as each worker.
func play(arguments []string) error {
	part := ""
	if len(arguments) > 0 {
		part = arguments[0]
	}
	switch part {
	case "platform":
		platform := stage.Platform{Life: life, Latency: 20 * time.Millisecond}
		return platform.Run()
	case "worker":
		if len(arguments) != 3 {
			return errors.New("usage: worker PLATFORM REDIS")
		}
		return worker(arguments[1], arguments[2])
	}
	flags := flag.NewFlagSet("replicas", flag.ContinueOnError)
	length := flags.Duration("d", 7*time.Second, "length of each of the two runs")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return compare(ctx, *length)
}

// compare makes both runs and prints a table of them.
func compare(ctx context.Context, length time.Duration) error {
	redis, err := stage.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Close()
	fmt.Printf("%d processes, tokens of %v, two runs of %v\n\n", workers, life, length)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tcalls\tfailed\ttokens due\tnot due\tat once\trejected calls\t")
	for _, run := range []struct{ name, redis string }{{"without a store", ""}, {"with a store", redis.Addr}} {
		r, err := measure(ctx, run.redis, length)
		if err != nil {
			return err
		}
		of := r.verdict.Creations
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t\n", run.name, r.calls, percent(r.failed.Sum(), r.calls), of.Due, of.Further, of.Overlapping, r.verdict.Rejected)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Println(`
failed          calls that failed in spite of the repetitions of the SDK
tokens due      a player's first token, or one made when the previous token was to be refreshed
not due         tokens that killed a token which was still good
at once         tokens asked for while another process was asking for the same player's
rejected calls  answers of the platform with status 401`)
	return nil
}

func percent(n, of int) string {
	if n == 0 || of == 0 {
		return "0"
	}
	return strconv.Itoa(n) + fmt.Sprintf(" (%.1f %%)", 100*float64(n)/float64(of))
}

// A result is what a run has shown.
type result struct {
	calls   int
	failed  stage.Failures
	verdict stage.Verdict
}

// measure lets the workers work for a while. Without an address of Redis they
// have no store.
func measure(ctx context.Context, redis string, length time.Duration) (result, error) {
	r := result{failed: stage.Failures{}}
	platform, err := stage.Start[stage.Address]("platform", "platform")
	if err != nil {
		return r, err
	}
	defer platform.Kill()
	var team []*stage.Process[stage.Report]
	defer func() { stage.KillAll(team) }()
	for i := range workers {
		w, err := stage.Start[stage.Report](fmt.Sprint("worker ", i+1), "worker", platform.Last().Provider, redis)
		if err != nil {
			return r, err
		}
		team = append(team, w)
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	reports, err := stage.StopAll(team)
	if err != nil {
		return r, err
	}
	for _, report := range reports {
		r.calls += report.Calls
		r.failed.Add(report.Failed)
	}
	return r, stage.Ask(platform.Last().Control, "/verdict", &r.verdict)
}
