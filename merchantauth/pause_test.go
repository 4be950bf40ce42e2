package merchantauth_test

import (
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestRejectionsThatANewTokenDoesNotCureAreDampedAndPassedOn(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				answering(srv, "/v2/balance", 401, `{"errors":[{"code":"UNAUTHORIZED","message":"no such scope"}]}`)
				for range 50 {
					if call(t, srv, c) == nil {
						t.Fatal("no error")
					}
				}
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 51)
				costs(t, srv, 1, 1)
				time.Sleep(time.Second)
				_ = call(t, srv, c)
				costs(t, srv, 1, 2)
			})
		})
	}
}

func TestPausesAfterRejectionsDoubleToAMinute(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				answering(srv, "/v2/balance", 401, "")
				for n, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
					_ = call(t, srv, c)
					costs(t, srv, 1, n+1)
					time.Sleep(pause*time.Second - time.Millisecond)
					_ = call(t, srv, c)
					costs(t, srv, 1, n+1)
					time.Sleep(time.Millisecond)
				}
			})
		})
	}
}

func TestServerErrorDoesNotEndThePauseAfterARejection(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				for _, status := range []int{401, 500, 401} {
					answering(srv, "/v2/balance", status, `{"errors":[{"code":"X"}]}`)
					_ = call(t, srv, c)
				}
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 4)
				costs(t, srv, 1, 1)
				answering(srv, "/v2/balance", 404, `{"errors":[{"code":"X"}]}`)
				_ = call(t, srv, c) // which is about something else: the token is good
				answering(srv, "/v2/balance", 401, `{"errors":[{"code":"X"}]}`)
				_ = call(t, srv, c)
				costs(t, srv, 1, 2)
			})
		})
	}
}
