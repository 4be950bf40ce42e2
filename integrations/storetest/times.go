package storetest

import "time"

const (
	// short is the ttl of values that Test sees go.
	short = time.Second
	// over is when such a value has gone.
	over = short + 500*time.Millisecond
	// long is longer than tokens live, and more than 32 bits of milliseconds.
	long = 90 * 24 * time.Hour
	// soon is when such a value is surely still there.
	soon = short / 2
)

// timeRules are tried together, so that Test waits once.
var timeRules = []rule{{"a value is there for the ttl of the last Swap that wrote it, and no longer", func(c *check) {
	var v timed
	// A pause of this process may last longer than a ttl: begin again.
	for try := 0; !c.putTimed(&v); try++ {
		if time.Since(v.start) < soon || try == 5 {
			return
		}
		c.errs = nil
	}
	c.sleep(over)
	if c.ctx.Err() != nil {
		return
	}
	for i, s := range c.stores {
		if !c.load(s, v.plain, nil, "Load after a ttl of 1 s is over") {
			c.failf("that was handle %d", i)
			return
		}
	}
	first := c.stores[0]
	c.load(first, v.lasting, v.value, "Load 1.5 s after a Swap with a ttl of 90 days")
	c.load(first, v.longer, v.second, "Load after a ttl of 1 s, when a later Swap had a ttl of 1 min")
	c.load(first, v.shorter, nil, "Load after a ttl of 1 s, when an earlier Swap had a ttl of 1 min")
	c.load(first, v.refused, nil, "Load after a ttl of 1 s, when a Swap from another prev had a ttl of 1 min")
	c.swap(swap{v.again, v.value, v.second, time.Minute}, nil, "Swap from a value whose ttl is over")
	c.swap(swap{v.again, nil, v.second, time.Minute}, v.second, "Swap from nil after a ttl is over")
}}, {"Swap takes any ttl above 0", func(c *check) {
	for _, ttl := range []time.Duration{1, time.Millisecond - 1, 1500 * time.Microsecond, 1234567 * time.Microsecond, long} {
		k, v := c.key(), c.value("next")
		c.swap(swap{k, nil, v, ttl}, v, "Swap with a ttl of "+ttl.String())
	}
}}}

// timed is keys whose values go at different times.
type timed struct {
	start                                           time.Time
	value, second                                   []byte
	plain, lasting, longer, shorter, refused, again string
}

// putTimed puts values at the keys, and reports whether they are there.
func (c *check) putTimed(v *timed) bool {
	*v = timed{
		start: time.Now(), value: c.value("the value"), second: c.value("the second value"),
		plain: c.key(), lasting: c.key(), longer: c.key(), shorter: c.key(), refused: c.key(), again: c.key(),
	}
	return c.put(swap{v.plain, nil, v.value, short}) &&
		c.put(swap{v.lasting, nil, v.value, long}) &&
		c.put(swap{v.longer, nil, v.value, short}) && c.put(swap{v.longer, v.value, v.second, time.Minute}) &&
		c.put(swap{v.shorter, nil, v.value, time.Minute}) && c.put(swap{v.shorter, v.value, v.second, short}) &&
		c.put(swap{v.refused, nil, v.value, short}) && c.swap(swap{v.refused, nil, v.second, time.Minute}, v.value, "Swap from nil") &&
		c.put(swap{v.again, nil, v.value, short}) &&
		c.load(c.stores[0], v.plain, v.value, "Load before a ttl of 1 s is over")
}
