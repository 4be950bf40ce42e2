package merchantauth_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/merchantauth"
)

func TestReplacedRefreshTokensBeyondTheBoundAreForgottenInTheOrderOfTheirExpiry(t *testing.T) {
	var g merchantauth.Grants
	start := time.Now().Add(time.Hour)
	for n := range merchantauth.MaxSpent {
		g.Replace(strconv.Itoa(n), start.Add(-time.Duration(n)*time.Millisecond))
	}
	equal(t, "kept", g.Kept(), merchantauth.MaxSpent)
	for n := range merchantauth.MaxSpent / 40 {
		g.Replace("one more", start)
		g.Replace(strconv.Itoa(-n-1), start.Add(time.Hour))
		if n := g.Kept(); n > merchantauth.MaxSpent || n < merchantauth.MaxSpent*9/10 {
			t.Fatalf("%d are kept, want nearly %d", n, merchantauth.MaxSpent)
		}
	}
	for refresh, want := range map[string]bool{"one more": true, "0": true, strconv.Itoa(merchantauth.MaxSpent / 2): true, strconv.Itoa(merchantauth.MaxSpent - 1): false} {
		equal(t, refresh+" is remembered", g.Replaced(refresh), want)
	}
}

func TestReplacedRefreshTokensThatHaveExpiredMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g merchantauth.Grants
		most := 0
		for n := range 10_000 { // 50 of them live at a time
			g.Replace(strconv.Itoa(n), time.Now().Add(50*time.Minute))
			most = max(most, g.Kept())
			time.Sleep(time.Minute)
		}
		if most > 128 {
			t.Errorf("%d were kept at once, want at most 128", most)
		}
	})
}

func TestReplacedRefreshTokenIsRememberedUntilTheLaterOfTwoTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g merchantauth.Grants
		g.Replace("a", time.Now().Add(2*time.Hour))
		g.Replace("a", time.Now().Add(time.Hour))
		time.Sleep(90 * time.Minute)
		equal(t, "is remembered", g.Replaced("a"), true)
		time.Sleep(30 * time.Minute)
		equal(t, "is remembered after both", g.Replaced("a"), false)
	})
}
