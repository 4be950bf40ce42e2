package stage

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	providerauth "github.com/providerauth/providerauth-go"
)

func TestKind(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("a call: %w", providerauth.ErrStoreUnavailable), Unavailable},
		{errors.Join(providerauth.ErrUnauthorized, providerauth.ErrStoreUnavailable), Unavailable},
		{fmt.Errorf("a call: %w", providerauth.ErrUnauthorized), "rejected"},
		{fmt.Errorf("a call: %w", context.DeadlineExceeded), "timed out"},
		{errors.New("something else"), "something else"},
		{errors.New("Token: retry after 114ms: something else"), "Token: something else"},
		{nil, ""},
	} {
		if got := Kind(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestFailures(t *testing.T) {
	sum := Failures{}
	got := []string{sum.String()}
	sum.Add(Failures{"b": 2})
	sum.Add(Failures{"a": 1, "b": 1})
	got = append(got, sum.String(), fmt.Sprint(sum.Sum()))
	if diff := cmp.Diff([]string{"0", "1 a, 3 b", "4"}, got); diff != "" {
		t.Error(diff)
	}
}
