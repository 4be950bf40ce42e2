package transport

var (
	NewPool         = newPool
	Backoff         = backoff
	ParseRetryAfter = parseRetryAfter
)
