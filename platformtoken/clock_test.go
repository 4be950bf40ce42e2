package platformtoken_test

import (
	"fmt"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// strict is a platform that refuses timestamps more than 10 s off, inside a
// success or not.
func strict(inOK bool) platformtokentest.Options {
	return platformtokentest.Options{TimestampTolerance: 10 * time.Second, FailuresInOK: inOK}
}

func TestClient_wrongClock(t *testing.T) {
	for _, inOK := range []bool{false, true} {
		for _, offset := range []time.Duration{-time.Hour, time.Hour} {
			for _, took := range []time.Duration{0, 3 * time.Second} {
				name := fmt.Sprintf("%v off, after %v, failures in 200: %v", offset, took, inOK)
				t.Run("one creation is refused at most: "+name, func(t *testing.T) {
					bubble(t, strict(inOK), func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
						srv.SetClockOffset(offset)
						srv.Delay(took)
						_, err := c.Token(t.Context(), brl)
						if err == nil {
							t.Error("the first creation was not refused")
						}
						time.Sleep(time.Minute) // the back-off
						y := testkit.Traffic(2*time.Hour, time.Minute, func(int) error {
							_, err := c.Balance(t.Context(), brl)
							return err
						})
						testkit.Equal(t, "failed calls after it", y.Failed(), 0)
						testkit.Equal(t, "creations", srv.Count(createToken), 2)
					})
				})
			}
		}
	}
	t.Run("a machine that is right is not led astray by the Date of an edge cache", func(t *testing.T) {
		for _, offset := range []time.Duration{-time.Hour, time.Hour} {
			bubble(t, strict(false), func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				srv.SetDateOffset(offset)
				y := testkit.Traffic(2*time.Hour, time.Minute, func(i int) error {
					if i%10 == 9 { // a refusal that has nothing to do with the time
						_, err := c.Transfer(t.Context(), brl, transferOf("1000000", i))
						errorIs(t, err)
					}
					_, err := c.Balance(t.Context(), brl)
					return err
				})
				testkit.Equal(t, "failed calls", y.Failed(), 0)
			})
		}
	})
	t.Run("refusals beside a wrong Date cost a call for each pause", func(t *testing.T) {
		bubble(t, strict(true), func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.SetDateOffset(time.Hour)
			y := testkit.Traffic(2*time.Hour, time.Minute, func(i int) error {
				if i%10 == 9 {
					_, err := c.Transfer(t.Context(), brl, transferOf("1000000", i))
					errorIs(t, err)
				}
				_, err := c.Balance(t.Context(), brl)
				return err
			})
			if y.Failed() > 7 {
				t.Error(y)
			}
		})
	})
	t.Run("an answer out of a cache corrects nothing", func(t *testing.T) {
		bubble(t, strict(false), func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			srv.SetAge(2 * time.Hour)
			srv.StrayCalls(5, 0)
			y := testkit.Traffic(time.Hour, time.Minute, func(int) error {
				_, err := c.Balance(t.Context(), brl)
				return err
			})
			testkit.Equal(t, "failed calls", y.Failed(), 0)
		})
	})
}

// transferOf is a transfer to a game of more than the wallet holds.
func transferOf(amount string, i int) platformtoken.TransferRequest {
	a, err := providerauth.ParseAmount(amount)
	if err != nil {
		panic(err) // a constant of the tests
	}
	return platformtoken.TransferRequest{TxID: fmt.Sprint("tx-", i), Direction: platformtoken.TransferOut, Amount: a}
}

// A Date counts for the token of its own answer only.
func TestClient_Token_life(t *testing.T) {
	for _, date := range []time.Duration{-2 * time.Hour, 0, 2 * time.Hour} {
		bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.SetDateOffset(date)
			tok := token(t, c, brl)
			if left := time.Until(tok.ExpiresAt); left < 59*time.Minute || left > time.Hour+time.Second {
				t.Errorf("Date off by %v: the token is said to live %v, want an hour", date, left)
			}
			srv.SetDateOffset(-24 * time.Hour) // no later answer makes it live longer
			time.Sleep(time.Hour)
			balance(t, c, brl)
			testkit.Equal(t, "creations", srv.Count(createToken), 2)
		})
	}
}
