package attach

// Calls counts the calls that are remembered.
func (d *Damper) Calls() int { return int(d.active.Load()) }
