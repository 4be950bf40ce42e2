package storetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	providerauth "github.com/providerauth/providerauth-go"
)

const (
	// rounds is how often callers meet at one key.
	rounds = 10
	// steps is how many steps each caller adds to a list, of stepSize bytes.
	steps    = 5
	stepSize = 4
)

var crowdRules = []rule{
	{"of many Swaps at once from one prev, one wins, and all return its next", func(c *check) {
		for round := 0; round < rounds && !c.failed(); round++ {
			c.meet(round%2 == 1)
		}
	}},
	{"no step is lost of a list that many callers extend by Swap", func(c *check) {
		k := c.key()
		c.crowd(func(i int, s providerauth.Store) {
			for range steps {
				if !c.extend(s, k, i) {
					return
				}
			}
		})
		if c.failed() {
			return
		}
		got, err := c.stores[0].Load(c.ctx, k)
		if err != nil {
			c.failf("Load: %w", err)
		} else if n := len(got) / stepSize; n != steps*c.options.Callers {
			c.failf("%d callers added %d steps each, and the list has %d", c.options.Callers, steps, n)
		}
	}},
}

// crowd calls f by all callers at once, with the handles in turn, and waits.
func (c *check) crowd(f func(i int, s providerauth.Store)) {
	var wg sync.WaitGroup
	for i := range c.options.Callers {
		wg.Go(func() { f(i, c.stores[i%len(c.stores)]) })
	}
	wg.Wait()
}

// meet lets all callers swap one key at once.
func (c *check) meet(present bool) {
	k, prev := c.key(), []byte(nil)
	if present {
		prev = c.value("prev")
		if !c.put(swap{key: k, next: prev}) {
			return
		}
	}
	told := make([][]byte, c.options.Callers)
	won := make([]bool, c.options.Callers)
	c.crowd(func(i int, s providerauth.Store) {
		mine := c.value(fmt.Sprintf("next of caller %d", i))
		got, err := c.do(s, swap{key: k, prev: prev, next: mine})
		if err != nil {
			c.failf("Swap by caller %d of %d: %w", i, c.options.Callers, err)
		}
		told[i], won[i] = got, bytes.Equal(got, mine)
	})
	if c.failed() {
		return
	}
	winners := 0
	var winner []byte
	for i := range won {
		if won[i] {
			winners, winner = winners+1, told[i]
		}
	}
	if winners != 1 {
		c.failf("%d of %d Swaps returned their own next", winners, c.options.Callers)
		return
	}
	for i := range told {
		if !c.expect(winner, fmt.Sprintf("Swap by caller %d", i), told[i], nil) {
			return
		}
	}
	for i, s := range c.stores {
		c.load(s, k, winner, fmt.Sprintf("Load by handle %d after it", i))
	}
}

// extend adds a step of a caller to the list of a key. It fails the check if
// more Swaps fail than others can have won.
func (c *check) extend(s providerauth.Store, key string, caller int) bool {
	list, err := s.Load(c.ctx, key)
	for tries := 0; err == nil; tries++ {
		if tries > steps*c.options.Callers {
			c.failf("%d Swaps of caller %d from the value of the last Swap failed", tries, caller)
			return false
		}
		next := binary.BigEndian.AppendUint32(bytes.Clone(list), uint32(caller))
		var got []byte
		got, err = c.do(s, swap{key: key, prev: list, next: next})
		if err == nil && bytes.Equal(got, next) {
			return true
		}
		list = got
	}
	c.failf("caller %d: %w", caller, err)
	return false
}
