package attach

// Pauses counts the pauses that are remembered.
func (b *Breaker) Pauses() int { return int(b.active.Load()) }
