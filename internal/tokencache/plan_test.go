package tokencache_test

import (
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestRenewalAndMarginAreFractionsOfTheLifetime(t *testing.T) {
	const flight = 21 * time.Second
	for name, tc := range map[string]struct {
		mode                 tokencache.Mode
		life, before         time.Duration
		leadMin, leadMax     time.Duration // before the end
		marginMin, marginMax time.Duration
	}{
		"fifteen minutes":           {tokencache.Overlap, 15 * time.Minute, 0, 144 * time.Second, 216 * time.Second, 10 * time.Second, 10 * time.Second},
		"two seconds":               {tokencache.Overlap, 2 * time.Second, 0, 320 * time.Millisecond, 480 * time.Millisecond, 160 * time.Millisecond, 160 * time.Millisecond},
		"set":                       {tokencache.Overlap, time.Hour, 5 * time.Minute, 5 * time.Minute, 330 * time.Second, 10 * time.Second, 10 * time.Second},
		"set beyond half the life":  {tokencache.Overlap, time.Minute, 5 * time.Minute, 30 * time.Second, 33 * time.Second, 10 * time.Second, 10 * time.Second},
		"set to seconds":            {tokencache.Overlap, time.Hour, 4 * time.Second, 4 * time.Second, 4400 * time.Millisecond, 2 * time.Second, 2 * time.Second},
		"exclusive, a day":          {tokencache.Exclusive, 24 * time.Hour, 0, 5 * time.Minute, 330 * time.Second, 10 * time.Second, 10 * time.Second},
		"exclusive, half an hour":   {tokencache.Exclusive, 30 * time.Minute, 0, 90 * time.Second, 99 * time.Second, 10 * time.Second, 10 * time.Second},
		"exclusive, ten minutes":    {tokencache.Exclusive, 10 * time.Minute, 0, 63 * time.Second, 69300 * time.Millisecond, 10 * time.Second, 10 * time.Second},
		"exclusive, ten seconds":    {tokencache.Exclusive, 10 * time.Second, 0, 2500 * time.Millisecond, 2750 * time.Millisecond, 1250 * time.Millisecond, 1250 * time.Millisecond},
		"already over when it came": {tokencache.Overlap, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 100 {
				refresh, valid, expires := tokencache.Plan(tc.mode, tc.life, tc.before, flight)
				lead, margin := expires-refresh, expires-valid
				if lead < tc.leadMin || lead > tc.leadMax || margin < tc.marginMin || margin > tc.marginMax {
					t.Fatalf("renewed %v before the end and handed out until %v before it", lead, margin)
				}
				seen[lead] = true
			}
			if spread := len(seen) > 1; spread != (tc.leadMin != tc.leadMax) {
				t.Errorf("renewal is spread by chance: %v", spread)
			}
		})
	}
}

func TestTokenWhoseLifeIsOverWhenItComesIsStillHandedToThoseWhoWaited(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.life = -time.Second
		c := open(t, p, mode)
		testkit.Crowd(10, func(int) { equal(t, "token", get(t, c).value, "T1") })
		equal(t, "requests", p.requests(), 1)
	})
}
