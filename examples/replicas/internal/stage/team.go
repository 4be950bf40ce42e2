package stage

import (
	"errors"
	"sync"
)

// StopAll stops processes at the same time, and returns their last values.
func StopAll[Out any](processes []*Process[Out]) ([]Out, error) {
	last := make([]Out, len(processes))
	errs := make([]error, len(processes))
	var stopping sync.WaitGroup
	for i, p := range processes {
		stopping.Go(func() { last[i], errs[i] = p.Stop() })
	}
	stopping.Wait()
	return last, errors.Join(errs...)
}

// KillAll ends processes at once, those that have ended excepted.
func KillAll[Out any](processes []*Process[Out]) {
	for _, p := range processes {
		p.Kill()
	}
}
