package tokencache_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// reject is a rejection of T1 and so on.
func reject(c *cache, value string) (first bool) { return c.Reject("", id(value)) }

// drain uses up the key's limiter, and returns the token that is current then.
func drain(t *testing.T, c *cache) string {
	t.Helper()
	for range 5 {
		reject(c, get(t, c).value)
	}
	return get(t, c).value
}

func TestCache_Reject(t *testing.T) {
	t.Run("the first rejection replaces the token", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			c := open(t, p, mode)
			get(t, c)
			equal(t, "first in a row", reject(c, "T1"), true)
			equal(t, "current", c.Current("", id("T1")), false)
			equal(t, "requests: it starts nothing", p.requests(), 1)
			equal(t, "token", get(t, c).value, "T2")
			equal(t, "the retriever is told what was rejected", p.asks[1].Rejected, id("T1"))
			equal(t, "a late rejection of T1", reject(c, "T1"), false)
			equal(t, "token", get(t, c).value, "T2")
		})
	})
	t.Run("without a draw the token stays", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, mode)
			last := drain(t, c)
			equal(t, "the creations: the first, and five", p.requests(), 6)
			equal(t, "first in a row", reject(c, last), true)
			equal(t, "second in a row", reject(c, last), false)
			equal(t, "current", c.Current("", id(last)), true)
			equal(t, "token", get(t, c).value, last)
			equal(t, "requests", p.requests(), 6)
			wait, _ := c.Contested("")
			if wait <= 0 || wait > 5*time.Second {
				t.Errorf("another may be had in %v, want up to 5 s", wait)
			}
			time.Sleep(wait)
			reject(c, last)
			equal(t, "token after the next rejection that finds a draw", get(t, c).value, "T7")
		})
	})
	t.Run("replacements are limited to five at once and then one per five seconds", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, mode)
			for range 600 { // a minute of calls that are all rejected for another reason
				reject(c, get(t, c).value)
				time.Sleep(100 * time.Millisecond)
			}
			get(t, c)
			equal(t, "creations: first, five, one per 5 s of the minute", p.requests(), 1+5+11)
		})
	})
	t.Run("an eviction between makes no further creation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Exclusive, keyed(1))
			for range 20 {
				tok, err := c.Get(t.Context(), "a", "")
				if err != nil {
					errorIs(t, err, providerauth.ErrContested) // there is no token at all, and no draw
					continue
				}
				c.Reject("a", id(tok.value))
				getFor(t, c, "b", "") // evicts a
			}
			// b is evicted 20 times and made anew; of a there are the first and five.
			created := 0
			for _, a := range p.asks {
				if a.Key == "a" {
					created++
				}
			}
			equal(t, "creations of a", created, 6)
		})
	})
	t.Run("an accepted request ends the row", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Overlap)
			last := drain(t, c)
			equal(t, "first in a row", reject(c, last), true)
			c.Accept("", credential.New("T1")) // of another token
			equal(t, "after another token was accepted", reject(c, last), false)
			c.Accept("", credential.New(last))
			equal(t, "after this one was", reject(c, last), true)
		})
	})
	t.Run("a replacement that fails brings the token back", func(t *testing.T) {
		for letter, suspect := range map[string]bool{"r": false, "l": true} {
			eachMode(t, func(t *testing.T, mode tokencache.Mode) {
				p := newProvider()
				p.fail = script("k" + letter + letter + letter)
				c := open(t, p, mode)
				get(t, c)
				reject(c, "T1")
				want := token{value: "T1", suspect: suspect && mode == tokencache.Exclusive}
				testkit.Crowd(5, func(int) { equal(t, "token", get(t, c), want) })
				n := p.requests()
				equal(t, "within the back-off", get(t, c), want)
				equal(t, "requests within the back-off", p.requests(), n)
				for range 3 {
					time.Sleep(time.Minute)
					reject(c, "T1")
					get(t, c)
					time.Sleep(time.Second)
				}
				if got := get(t, c).value; got == "T1" {
					t.Error("not replaced when the provider is back")
				}
			})
		}
	})
	t.Run("an exclusive token is dead if the provider says that it acted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.fail = script("kur")
			c := open(t, p, tokencache.Exclusive)
			get(t, c)
			reject(c, "T1")
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, tokencache.ErrActed)
		})
	})
	t.Run("a renewal that is under way and is refused brings the token back fresh", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.fail = script("kr")
			c := open(t, p, mode)
			get(t, c)
			wait := testkit.Start(func() { _, _ = c.Replace(t.Context(), "", "", fetch(p.retrieve)) })
			reject(c, "T1")
			equal(t, "token", get(t, c), token{value: "T1"})
			wait()
			time.Sleep(10 * time.Minute)
			equal(t, "token", get(t, c), token{value: "T1"})
			equal(t, "requests", p.requests(), 2)
		})
	})
	t.Run("callers wait two seconds at most for a replacement", func(t *testing.T) {
		for mode, most := range map[tokencache.Mode]time.Duration{
			tokencache.Overlap: 2 * time.Second, tokencache.SingleUse: 2 * time.Second, tokencache.Exclusive: 10 * time.Second,
		} {
			bubble(t, func(t *testing.T) {
				p := newProvider()
				c := open(t, p, mode)
				get(t, c)
				p.latency = 10 * time.Second
				reject(c, "T1")
				start := time.Now()
				testkit.Crowd(10, func(int) { get(t, c) })
				equal(t, "waited", since(start), most)
				if mode == tokencache.Exclusive {
					return // it is replaced
				}
				start = time.Now()
				equal(t, "token for a later caller", get(t, c).value, "T1")
				equal(t, "who waited", since(start), 0)
				time.Sleep(10 * time.Second)
				equal(t, "token", get(t, c).value, "T2")
			})
		}
	})
	t.Run("after a failed flight callers do not wait for the next", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.fail = script("kr")
			c := open(t, p, tokencache.Overlap)
			get(t, c)
			reject(c, "T1")
			get(t, c) // refused
			time.Sleep(time.Second)
			reject(c, "T1")
			start := time.Now()
			equal(t, "token", get(t, c).value, "T1")
			equal(t, "waited", since(start), 0)
			time.Sleep(time.Second)
			equal(t, "token", get(t, c).value, "T3")
		})
	})
	t.Run("the first rejection in a row ends a back-off once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.fail = script("krrrrrr")
			p.latency = 0
			c := open(t, p, tokencache.Overlap)
			get(t, c)
			inWindow()
			get(t, c) // starts the renewal that is refused
			synctest.Wait()
			equal(t, "requests", p.requests(), 2)
			for range 3 {
				c.Accept("", credential.New("T1"))
				reject(c, "T1")
				get(t, c)
				synctest.Wait()
			}
			equal(t, "requests after three rejections within the back-off", p.requests(), 3)
		})
	})
	t.Run("no rejection ends the back-off of a permanent failure", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.fail = from(2, errPermanent)
			p.latency = 0
			c := open(t, p, tokencache.Overlap)
			get(t, c)
			for range 4 {
				reject(c, "T1")
				equal(t, "token", get(t, c).value, "T1")
			}
			equal(t, "requests", p.requests(), 2)
		})
	})
	t.Run("five rejections after a permanent failure make the token dead", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.fail = script("kpp")
			p.latency = 0
			c := open(t, p, mode)
			get(t, c)
			reject(c, "T1")
			get(t, c) // refused for good
			for range 4 {
				reject(c, "T1")
				equal(t, "token", get(t, c).value, "T1")
			}
			reject(c, "T1")
			for range 10 {
				_, err := c.Get(t.Context(), "", "")
				errorIs(t, err, errPermanent)
			}
			equal(t, "requests within the back-off", p.requests(), 2)
			time.Sleep(time.Minute)
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errPermanent)
			time.Sleep(time.Minute)
			equal(t, "token when the account is back", get(t, c).value, "T4")
		})
	})
	t.Run("a dead token is tried now and then, and is current again once it is accepted", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.fail = from(2, errPermanent)
			p.latency = 0
			c := open(t, p, mode)
			get(t, c)
			for range 6 { // the first is replaced in vain
				reject(c, "T1")
				_, _ = c.Get(t.Context(), "", "")
			}
			tried := 0
			for range 100 { // a second
				time.Sleep(10 * time.Millisecond)
				if tok, err := c.Get(t.Context(), "", ""); err == nil {
					equal(t, "token", tok.value, "T1")
					tried++
				}
			}
			equal(t, "tries in a second", tried, 10)
			c.Accept("", credential.New("T1"))
			for range 10 {
				equal(t, "token", get(t, c).value, "T1")
			}
		})
	})
	t.Run("the provider's word counts if it issues the token again", func(t *testing.T) {
		for mode, want := range map[tokencache.Mode]string{tokencache.Overlap: "T", tokencache.Exclusive: "T", tokencache.SingleUse: "T3"} {
			bubble(t, func(t *testing.T) {
				p := newProvider()
				p.value = func(n int) string { // single-use: the renewal repeats it, the login does not
					if n < 3 {
						return "T"
					}
					return fmt.Sprintf("T%d", n)
				}
				c := open(t, p, mode)
				get(t, c)
				equal(t, "first in a row", reject(c, "T"), true)
				equal(t, "token", get(t, c).value, want)
				if want == "T" {
					equal(t, "first in a row, after it was issued again", reject(c, "T"), false)
				}
			})
		}
	})
	t.Run("a creation that was refused gives its draw back, an unclear one does not", func(t *testing.T) {
		for letter, want := range map[string]string{"r": "T12", "l": "T1"} {
			bubble(t, func(t *testing.T) {
				p := newProvider()
				p.latency = 0
				p.fail = script("k" + letter + letter + letter + letter + letter + letter + letter + letter + letter + letter)
				// Every rejection ends the back-off of an unclear creation; a secret
				// that changes ends the others.
				var r *rotating
				c := open(t, p, tokencache.Overlap, func(cfg *config) { r = rotate(cfg, func() error { return nil }) })
				get(t, c)
				for range 11 {
					r.n.Add(1)
					time.Sleep(1010 * time.Millisecond)
					reject(c, "T1") // has the secret looked at
					synctest.Wait()
					reject(c, "T1")
					get(t, c)
					synctest.Wait()
				}
				equal(t, "token after ten creations that failed, for "+letter, get(t, c).value, want)
			})
		}
	})
}

func TestCache_Invalidate(t *testing.T) {
	t.Run("it reports that the token stays", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, mode)
			for range 5 {
				equal(t, "dropped", c.Invalidate("", id(get(t, c).value)), true)
			}
			last := get(t, c).value
			for range 10 {
				equal(t, "dropped", c.Invalidate("", id(last)), false)
				equal(t, "token", get(t, c).value, last)
			}
		})
	})
}

func TestCache_scopes(t *testing.T) {
	refuse := func(status int) func(int) error {
		return func(int) error { return &failure{permanent: true, err: &apierror.Error{Status: status}} }
	}
	ask := func(t *testing.T, p *provider, c *cache, calls int) int {
		for i := range calls {
			if _, err := c.Get(t.Context(), "u", fmt.Sprint("scope ", i)); err == nil {
				t.Fatal("no error")
			}
		}
		return p.requests()
	}
	t.Run("a refused credential holds for every scope", func(t *testing.T) {
		for _, status := range []int{401, 403} {
			bubble(t, func(t *testing.T) {
				p := newProvider()
				p.fail = refuse(status)
				equal(t, "requests", ask(t, p, open(t, p, tokencache.Overlap, keyed(10)), 1000), 1)
			})
		}
	})
	t.Run("after another refusal a scope gets a try only with a draw", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			p.fail = refuse(422)
			c := open(t, p, tokencache.Overlap, keyed(10))
			equal(t, "requests", ask(t, p, c, 1000), 1+5)
			_, err := c.Get(t.Context(), "u", "another")
			errorIs(t, err, providerauth.ErrContested)
			time.Sleep(5 * time.Second)
			equal(t, "requests five seconds later", ask(t, p, c, 1000), 1+5+1)
		})
	})
}

func TestCache_Replacements(t *testing.T) {
	shared := func(cfg *config) {
		cfg.MaxEntries = 100
		cfg.Replacements = tokencache.Rate{Burst: 3, Refill: time.Minute}
	}
	t.Run("the keys of a cache share a limiter", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Overlap, shared)
			replaced := 0
			for i := range 20 {
				key := fmt.Sprint(i)
				old := getFor(t, c, key, "").value
				c.Reject(key, id(old))
				if getFor(t, c, key, "").value != old {
					replaced++
				}
			}
			equal(t, "replaced", replaced, 3)
			if wait, _ := c.Contested("19"); wait <= 0 || wait > time.Minute {
				t.Errorf("another may be had in %v, want up to a minute", wait)
			}
			time.Sleep(time.Minute)
			c.Reject("19", id(getFor(t, c, "19", "").value))
			getFor(t, c, "19", "")
			equal(t, "requests a minute later", p.requests(), 20+3+1)
		})
	})
	t.Run("a token that was dropped counts however late it is replaced", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Overlap, shared)
			for i := range 20 {
				c.Invalidate(fmt.Sprint(i), id(getFor(t, c, fmt.Sprint(i), "").value))
			}
			time.Sleep(8 * time.Second)
			for i := range 20 {
				getFor(t, c, fmt.Sprint(i), "")
			}
			equal(t, "requests", p.requests(), 20+3)
		})
	})
	t.Run("a token that stayed and has expired is replaced without a draw", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Overlap, shared)
			getFor(t, c, "due", "")
			time.Sleep(time.Hour - time.Second)
			for i := range 3 { // they take the draws
				key := fmt.Sprint(i)
				c.Reject(key, id(getFor(t, c, key, "").value))
				getFor(t, c, key, "")
			}
			c.Reject("due", id("T1"))
			time.Sleep(time.Second)
			if getFor(t, c, "due", "").value == "T1" {
				t.Error("it has expired")
			}
		})
	})
	t.Run("a token that was rejected five times in a row does not count", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			c := open(t, p, tokencache.Overlap, shared)
			for i := range 20 {
				key := fmt.Sprint(i)
				old := getFor(t, c, key, "").value
				for range 5 {
					c.Reject(key, id(old))
					tok, err := c.Get(t.Context(), key, "")
					if err != nil {
						t.Fatal(err)
					}
					if tok.value != old {
						break
					}
				}
				if getFor(t, c, key, "").value == old {
					t.Errorf("key %d keeps its token", i)
				}
			}
		})
	})
}
