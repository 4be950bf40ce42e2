package testkit

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// FIPS 140-only mode allows no HMAC under ShortSecret. FIPSRule is the rule in
// the error.
const (
	ShortSecret = "13-bytes-long"
	LongSecret  = "14-bytes-long!"
	FIPSRule    = "must have at least 14 bytes in FIPS 140-only mode"
)

// InFIPSOnly reports whether this process is in FIPS 140-only mode. If not, it
// runs the test in a process in this mode.
func InFIPSOnly(t *testing.T) bool {
	t.Helper()
	return InProcess(t, "fips140=only")
}

// InProcess reports whether this process was started with the setting in
// GODEBUG, for settings read at the start only. If not, it runs the test in a
// process with the setting.
func InProcess(t *testing.T, setting string) bool {
	t.Helper()
	return startedAs(t, setting, "GODEBUG="+setting)
}

// Alone reports whether this process was started for this test only. If not, it runs
// the test in a process of its own. A test that changes a global variable has to be
// alone: goroutines of other tests may read the variable, also after their test.
func Alone(t *testing.T) bool {
	t.Helper()
	return startedAs(t, "alone")
}

// startedAs reports whether this process was started by startedAs with the mark. If
// not, it runs the test in such a process.
func startedAs(t *testing.T, mark string, env ...string) bool {
	t.Helper()
	const started = "PROVIDERAUTH_TEST_PROCESS"
	if os.Getenv(started) == mark {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(append(os.Environ(), started+"="+mark), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// SecretTooShort fails the test unless err states FIPSRule and does not show
// ShortSecret.
func SecretTooShort(t testing.TB, err error) {
	t.Helper()
	if !strings.Contains(err.Error(), FIPSRule) || strings.Contains(err.Error(), ShortSecret) {
		t.Errorf("got %q, want %q in it and not the secret", err, FIPSRule)
	}
}
