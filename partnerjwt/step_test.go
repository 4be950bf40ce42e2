//go:build wallclock

package partnerjwt_test

import (
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// .ci/clock runs these tests with a package time whose wall clock can be set. The
// clock of the simulator is held still by an offset.

func TestWallClock_Token(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		srv := partnerjwttest.NewServer(partnerjwttest.Options{})
		c := open(t, srv.Config(), func(cfg *partnerjwt.Config) { cfg.Lifetime = 2 * time.Second })
		portfolio(t, c)
		time.StepWallClock(step)
		srv.SetClockOffset(-step)
		var failed int
		for start := time.Now(); time.Since(start) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
			if err := testkit.Get(c.HTTPClient(), srv.URL()+"/portfolio"); err != nil {
				failed++
			}
		}
		if failed > 0 {
			t.Errorf("step %v: %d calls failed in three seconds", step, failed)
		}
		c.Close()
		srv.Close()
	}
}
