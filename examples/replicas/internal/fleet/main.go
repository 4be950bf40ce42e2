// Fleet plays a fleet of real processes against a real Redis and the simulated
// platform, a row of a table at a time, and prints the table. It fails if a row
// shows more than it may.
//
//	go run ./internal/fleet            # the whole table; ten minutes
//	go run ./internal/fleet -short     # each row in 15 seconds or less
//	go run ./internal/fleet -row kill  # the rows whose names contain "kill"
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := play(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// play is what this process is for: the program starts itself again as a provider
// and as each worker.
func play(arguments []string) error {
	if len(arguments) == 2 {
		part, ok := parts[arguments[0]]
		if ok {
			var s setting
			if err := json.Unmarshal([]byte(arguments[1]), &s); err != nil {
				return err
			}
			return part(s)
		}
	}
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	short := flags.Bool("short", false, "the short form of each row")
	verbose := flags.Bool("v", false, "print notes on every row, not only on a row that fails")
	name := flags.String("row", "", "play only rows whose name contains `text`")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return table(ctx, options{*short, *verbose, *name})
}

// parts are the processes of a fleet.
var parts = map[string]func(setting) error{
	"platform": platform,
	"player":   playerWorker,
	"bank":     bank,
	"merchant": merchantWorker,
}

// options are the flags.
type options struct {
	short, verbose bool
	row            string
}

// table plays the rows and prints them.
func table(ctx context.Context, opt options) error {
	var results []result
	var wrong []error
	for _, row := range rows {
		if !strings.Contains(row.name, opt.row) {
			continue
		}
		length := row.full
		if opt.short {
			length = row.short
		}
		r, problems, err := opt.playRow(ctx, &row, length, results)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		results = append(results, r)
		for _, problem := range problems {
			wrong = append(wrong, fmt.Errorf("%s: %s", row.name, problem))
		}
	}
	if len(results) == 0 {
		return errors.New("there is no such row")
	}
	if err := show(os.Stdout, results); err != nil {
		return err
	}
	return errors.Join(wrong...)
}

// tries bounds how often a row is played.
const tries = 3

// playRow plays a row, and plays it again if it fails on a machine that was too busy.
func (opt options) playRow(ctx context.Context, row *row, length time.Duration, before []result) (result, []string, error) {
	for try := 1; ; try++ {
		fmt.Fprintf(os.Stderr, "%s, %v\n", row.name, length)
		r, err := row.play(ctx, length)
		if err != nil {
			return r, nil, err
		}
		r.short = opt.short
		problems := row.problems(r, before)
		for _, problem := range problems {
			fmt.Fprintln(os.Stderr, "FAIL:", problem)
		}
		if len(problems) > 0 || opt.verbose {
			for _, note := range slices.Concat(r.notes, r.verdict.Creations.Notes) {
				fmt.Fprintln(os.Stderr, "\t"+note)
			}
			fmt.Fprintf(os.Stderr, "\tthe longest time in which a process did not run is %v\n", r.stall.Round(time.Millisecond))
		}
		if len(problems) == 0 || !r.stalled() || try == tries {
			return r, problems, nil
		}
		fmt.Fprintln(os.Stderr, "\tthat is long for the time limits of the row: it is played again")
	}
}
