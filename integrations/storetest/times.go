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
	first, second := c.value("the value"), c.value("the second value")
	plain, lasting, longer, shorter, refused, again := c.key(), c.key(), c.key(), c.key(), c.key(), c.key()
	start := time.Now()
	if !c.put(swap{plain, nil, first, short}) || !c.put(swap{lasting, nil, first, long}) ||
		!c.put(swap{longer, nil, first, short}) || !c.put(swap{longer, first, second, time.Minute}) ||
		!c.put(swap{shorter, nil, first, time.Minute}) || !c.put(swap{shorter, first, second, short}) ||
		!c.put(swap{refused, nil, first, short}) || !c.swap(swap{refused, nil, second, time.Minute}, first, "Swap from nil") ||
		!c.put(swap{again, nil, first, short}) {
		return
	}
	// After a long pause of this process, an absent value proves nothing.
	if got, err := c.stores[0].Load(c.ctx, plain); err != nil || time.Since(start) < soon {
		c.expect(first, "Load before a ttl of 1 s is over", got, err)
	}
	c.sleep(over)
	if c.ctx.Err() != nil {
		return
	}
	for i, s := range c.stores {
		if !c.load(s, plain, nil, "Load after a ttl of 1 s is over") {
			c.failf("that was handle %d", i)
			return
		}
	}
	c.load(c.stores[0], lasting, first, "Load 1.5 s after a Swap with a ttl of 90 days")
	c.load(c.stores[0], longer, second, "Load after a ttl of 1 s, when a later Swap had a ttl of 1 min")
	c.load(c.stores[0], shorter, nil, "Load after a ttl of 1 s, when an earlier Swap had a ttl of 1 min")
	c.load(c.stores[0], refused, nil, "Load after a ttl of 1 s, when a Swap from another prev had a ttl of 1 min")
	c.swap(swap{again, first, second, time.Minute}, nil, "Swap from a value whose ttl is over")
	c.swap(swap{again, nil, second, time.Minute}, second, "Swap from nil after a ttl is over")
}}, {"Swap takes any ttl above 0", func(c *check) {
	for _, ttl := range []time.Duration{1, time.Millisecond - 1, 1500 * time.Microsecond, 1234567 * time.Microsecond, long} {
		k, v := c.key(), c.value("next")
		c.swap(swap{k, nil, v, ttl}, v, "Swap with a ttl of "+ttl.String())
	}
}}}
