package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// fail returns the error of an operation. It matches the error of ctx, if ctx
// has ended.
func fail(ctx context.Context, op string, err error) error {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		err = errors.New(withoutArguments(answer.Error()))
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("redisstore: %s: %w (%w)", op, ended, err)
	}
	return fmt.Errorf("redisstore: %s: %w", op, err)
}

// withoutArguments returns the text of an error of Redis without the arguments
// of the command: a server that does not know a command repeats them.
func withoutArguments(text string) string {
	text, _, _ = strings.Cut(text, ", with args")
	return text
}

// milliseconds returns a ttl as PX takes it.
func milliseconds(ttl time.Duration) string {
	whole := ttl / time.Millisecond
	if ttl%time.Millisecond > 0 {
		whole++
	}
	return strconv.FormatInt(int64(max(whole, 1)), 10)
}
