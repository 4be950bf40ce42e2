package klas_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/klas"
)

func TestARefusalIsSentWithItsCode(t *testing.T) {
	reason := errors.New("blocked by compliance")
	for _, c := range []struct {
		name string
		err  error
		want klas.StatusCode
	}{
		{"without a code", &klas.Refusal{}, klas.StatusBadParams},
		{"with a reason", &klas.Refusal{Err: reason}, klas.StatusBadParams},
		{"with a listed code", &klas.Refusal{Code: klas.StatusUnknown}, klas.StatusUnknown},
		{"with another code", &klas.Refusal{Code: "ERR_PLAYER_BLOCKED"}, "ERR_PLAYER_BLOCKED"},
		{"with digits", &klas.Refusal{Code: "E42"}, "E42"},
		{"of 64 characters", &klas.Refusal{Code: klas.StatusCode(strings.Repeat("A", 64))}, klas.StatusCode(strings.Repeat("A", 64))},
		{"wrapped", fmt.Errorf("player 7: %w", &klas.Refusal{Code: "ERR_SESSION"}), "ERR_SESSION"},

		{"OK", &klas.Refusal{Code: klas.StatusOK}, klas.StatusUnknown},
		{"lower case", &klas.Refusal{Code: "err_x"}, klas.StatusUnknown},
		{"of 65 characters", &klas.Refusal{Code: klas.StatusCode(strings.Repeat("A", 65))}, klas.StatusUnknown},
		{"with a line feed", &klas.Refusal{Code: "ERR_X\n"}, klas.StatusUnknown},
		{"with a quote", &klas.Refusal{Code: `ERR","x":"`}, klas.StatusUnknown},
		{"that begins with a digit", &klas.Refusal{Code: "4ERR"}, klas.StatusUnknown},
		{"that begins with an underscore", &klas.Refusal{Code: "_ERR"}, klas.StatusUnknown},
		{"nil", (*klas.Refusal)(nil), klas.StatusUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			results := newResults()
			h := newHook(t, results.config).AuthenticateHandler(fails(c.err))
			want(t, post(t, h, compact), `{"status_code":"`+string(c.want)+`"}`)
			if r := <-results; r.Code != c.want || !errors.Is(r.Err, c.err) {
				t.Errorf("result %+v", r)
			}
		})
	}
}

func TestTheReasonOfARefusalIsForTheOperatorOnly(t *testing.T) {
	reason := errors.New("blocked by compliance")
	results := newResults()
	h := newHook(t, results.config).AuthenticateHandler(fails(&klas.Refusal{Code: "ERR_BLOCKED", Err: reason}))
	want(t, post(t, h, compact), `{"status_code":"ERR_BLOCKED"}`)
	r := <-results
	if !errors.Is(r.Err, reason) || !strings.Contains(r.Err.Error(), "blocked by compliance") {
		t.Errorf("the operator is told %v", r.Err)
	}
	var refusal *klas.Refusal
	if !errors.As(r.Err, &refusal) || refusal.Code != "ERR_BLOCKED" {
		t.Errorf("no Refusal in %v", r.Err)
	}
}

func TestARefusalOfTheReplayGuardIsAFailure(t *testing.T) {
	guard := guardFunc(func(string) (bool, error) { return false, &klas.Refusal{Code: "ERR_X"} })
	hook := newHook(t, func(cfg *klas.Config) { cfg.ReplayGuard = guard })
	want(t, post(t, hook.AuthenticateHandler(unreachable(t)), compact), unknown)
}
