package session

// Pauses counts the pauses that are remembered.
func (b *Breaker) Pauses() int { return int(b.active.Load()) }

// Pauses counts the pauses of the Client's Breaker.
func (c *Client) Pauses() int { return c.breaker.Pauses() }
