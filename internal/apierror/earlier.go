package apierror

import (
	"time"
)

// Earlier is the failure of a flight, for a caller within the back-off after it,
// for whom no request is made.
type Earlier struct {
	Err  error
	At   time.Time     // when the flight failed
	Left time.Duration // of the back-off
}

// Error says that the failure is earlier, and when it was.
func (e *Earlier) Error() string { return e.Err.Error() + e.note() }

func (e *Earlier) note() string {
	return "; no request was made since that failure of " + e.At.UTC().Format(time.RFC3339)
}

// Unwrap returns the failure.
func (e *Earlier) Unwrap() error { return e.Err }

// Of returns err as the cause of an error for this caller.
func (e *Earlier) Of(err error) *Earlier { return &Earlier{Err: err, At: e.At, Left: e.Left} }
