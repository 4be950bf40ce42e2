package platformtoken_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// judgeCreations finds a cause for every request for a token.
func (s *storm) judgeCreations() {
	var total struct{ requests, first, due, lost, late, refused, outside int }
	for player, all := range s.creations {
		var held *creation // the last one that brought a token
		due := false       // its time was over, and that has been counted
		var n struct{ requests, first, due, lost, late, refused, outside int }
		for i, x := range all {
			n.requests++
			switch {
			case i == 0:
				x.first = true
				n.first++
			case held != nil && !due && !x.start.Before(s.refreshAt(held)):
				x.due, due = true, true
				n.due++
			}
			switch {
			case x.token != "":
				held, due = x, false
			case x.lost:
				n.lost++
			default:
				n.refused++
			}
		}
		n.outside = s.outside[player]
		for _, rec := range s.srv.Tokens(player) {
			if rec.Origin == platformtokentest.ByLate {
				n.late++
			}
		}
		if most := n.first + n.due + n.lost + n.late + n.refused + n.outside; n.requests > most {
			s.t.Errorf("%s: %d requests for a token, for which there were %d causes: %+v", player, n.requests, most, n)
		}
		total.requests += n.requests
		total.first += n.first
		total.due += n.due
		total.lost += n.lost
		total.late += n.late
		total.refused += n.refused
		total.outside += n.outside
		if most := s.srv.MaxConcurrent(player); most != 1 {
			s.t.Errorf("%s: the server had %d requests for a token at once", player, most)
		}
	}
	s.t.Logf("%d requests for a token; causes: %d first, %d renewals due, %d lost answers, %d late acts, %d refusals, %d creations outside, in sum %d",
		total.requests, total.first, total.due, total.lost, total.late, total.refused, total.outside,
		total.first+total.due+total.lost+total.late+total.refused+total.outside)
	if total.due < 1000 || total.lost < 50 || total.late < 10 || total.refused < 10 || total.outside < 290 {
		s.t.Error("that is no storm")
	}
}

// refreshAt is when the time of a token is over: a quarter of its life before
// it expires, and up to a tenth of that earlier. The platform states that in
// whole seconds.
func (s *storm) refreshAt(x *creation) time.Time {
	rec, _ := s.srv.Token(x.token)
	expires := rec.ExpiresAt.Truncate(time.Second)
	return expires.Add(-expires.Sub(x.end) * 11 / 40).Add(-time.Millisecond)
}

// judgeTries checks that no token went out that was older than another, or about
// to be killed by the client itself.
func (s *storm) judgeTries() {
	n := 0
	for _, c := range s.calls {
		for _, x := range c.tries {
			n++
			rec, ok := s.srv.Token(x.token)
			if !ok || rec.Player.UserID != c.player || rec.Origin != platformtokentest.ByClient {
				s.t.Fatalf("%s: sent with a token of %+v", c.player, rec)
			}
			for _, cr := range s.creations[c.player] {
				if cr.start.After(x.at) {
					break
				}
				if cr.start.Before(x.at) && cr.end.After(x.at) {
					s.t.Errorf("%s: a token went out while the one that kills it was being made", c.player)
				}
				if newer, _ := s.srv.Token(cr.token); cr.token != "" && cr.end.Before(x.at) && newer.Number > rec.Number {
					s.t.Errorf("%s: a token went out though there was a newer one", c.player)
				}
			}
		}
	}
	s.t.Logf("%d calls with %d requests", len(s.calls), n)
}

// judgeFailures finds the reason for every call that failed, and counts them.
func (s *storm) judgeFailures() {
	why := map[string]int{}
	failed := 0
	for _, c := range s.calls {
		var e *platformtoken.Error
		switch {
		case c.err != nil && errors.As(c.err, &e):
			if e.Op != "Transport" || !errors.Is(e, providerauth.ErrNotSent) || len(c.tries) > 0 || !s.creationFailed(c.player, c.end) {
				s.t.Errorf("%s: %v after %d tries, but nothing kept a token from being made", c.player, c.err, len(c.tries))
			}
			failed++
			why["no token: its creation failed"]++
		case c.err != nil:
			if c.tries[len(c.tries)-1].status != 0 {
				s.t.Errorf("%s: %v", c.player, c.err)
			}
			why["answer lost"]++
		case c.status != http.StatusUnauthorized:
			if c.status != http.StatusOK && (c.path != transfer || c.status != http.StatusConflict) {
				s.t.Errorf("%s %s: status %d", c.player, c.path, c.status)
			}
			why[fmt.Sprint(c.status, " after ", len(c.tries))]++
		default: // the platform did reject every token that it was sent with
			failed++
			reason := "401:"
			for _, x := range c.tries {
				reason += " " + s.killer(c.player, x)
			}
			why[reason]++
		}
	}
	for reason, n := range why {
		s.t.Logf("%6d %s", n, reason)
	}
	if most := len(s.calls) / 50; failed > most {
		s.t.Errorf("%d calls failed for want of a token that is alive, want at most %d of %d", failed, most, len(s.calls))
	}
}

// creationFailed reports whether the last request for a token of the player
// that was over at the time brought none.
func (s *storm) creationFailed(player string, at time.Time) bool {
	failed := false
	for _, x := range s.creations[player] {
		if x.end.After(at) {
			break
		}
		failed = x.token == ""
	}
	return failed
}

// killer says what killed the token of a try that was refused, "" if nothing
// did that may have.
func (s *storm) killer(player string, x try) (by string) {
	rec, _ := s.srv.Token(x.token)
	defer func() {
		if by == "" {
			s.t.Errorf("%s: nothing killed %+v of %+v", player, rec, x)
		}
	}()
	if rec.DiedAt.IsZero() || rec.DiedAt.After(x.back) {
		if s.creationFailed(player, x.at) && !rec.ExpiresAt.After(x.back) {
			return "expiry" // on its way, as a token is in use to its end if no other is to be had
		}
		return ""
	}
	switch rec.KilledBy {
	case platformtokentest.ByOutside, platformtokentest.ByLate:
		return string(rec.KilledBy)
	case platformtokentest.ByLost:
		return "renewal" // of ours, whose answer was lost
	case platformtokentest.ByClient:
		if rec.DiedAt.Before(x.at) {
			return "" // the client had done it and knew
		}
		return "renewal"
	}
	return ""
}

// judgeMoney compares what callers were told with what the platform did.
func (s *storm) judgeMoney() {
	wallets := map[string]*big.Rat{}
	for _, c := range s.calls {
		if c.txID == "" {
			continue
		}
		rec, acted := s.srv.Transfer(c.txID)
		told := c.err == nil && c.status == http.StatusOK
		lost := len(c.tries) > 0 && c.tries[len(c.tries)-1].status == 0
		if acted != told && !lost {
			s.t.Errorf("transfer %s: acted is %v, the caller was told %d, %v", c.txID, acted, c.status, c.err)
		}
		if !acted {
			continue
		}
		if rec.Player.UserID != c.player {
			s.t.Errorf("transfer %s of %s moved the money of %s", c.txID, c.player, rec.Player.UserID)
		}
		amount, _ := new(big.Rat).SetString(rec.Amount)
		if rec.Direction == platformtoken.TransferOut {
			amount.Neg(amount)
		}
		if wallets[c.player] == nil {
			wallets[c.player] = new(big.Rat)
		}
		wallets[c.player].Add(wallets[c.player], amount)
	}
	for player, want := range wallets {
		got := s.srv.Balance(platformtoken.Player{UserID: player, Currency: "BRL"})
		if got != want.RatString() {
			s.t.Errorf("%s has %s, and should have %s", player, got, want.RatString())
		}
	}
	testkit.Equal(s.t, "money that has come from nowhere", s.srv.Total(), "0")
}
