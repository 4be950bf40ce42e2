package stage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Creation is a token that the platform made.
type Creation struct {
	Player, Worker string
	Asked          time.Time // when the request came
	Made           time.Time // when the token was made; it invalidated the player's previous token
	Ended          time.Time // when the answer was sent
	Outside        bool      // another system made it
}

// Creations is what the platform says of the tokens of all players.
type Creations struct {
	Made        int      // by the workers
	Due         int      // of Made: the player's first token, or the previous token had reached its refresh time
	Further     int      // of Made: all others
	Outside     int      // by another system
	Overlapping int      // of Made: asked for while another creation of the same player was under way
	MostFurther int      // the largest number of further creations of a player
	Notes       []string // on the first further creations
}

// maxNotes bounds Notes.
const maxNotes = 20

// A Rule is by what creations are judged.
type Rule struct {
	Life time.Duration // of a token
	// Lost is when the store lost its data; zero: it has not. With the data it lost
	// the leases of the creations under way.
	Lost time.Time
}

// Judge counts creations by a rule.
func (r *Rule) Judge(creations []Creation) Creations {
	players := map[string][]Creation{}
	for _, c := range creations {
		players[c.Player] = append(players[c.Player], c)
	}
	var sum Creations
	for _, player := range slices.Sorted(maps.Keys(players)) {
		all := players[player]
		further := 0
		slices.SortFunc(all, func(a, b Creation) int { return a.Made.Compare(b.Made) })
		for i, c := range all {
			switch {
			case c.Outside:
				sum.Outside++
			case i == 0 || r.due(all[i-1], c):
				sum.Due++
			default:
				further++
				sum.note(all[i-1], c)
			}
		}
		sum.Further += further
		sum.MostFurther = max(sum.MostFurther, further)
		sum.Overlapping += r.overlapping(all)
	}
	sum.Made = sum.Due + sum.Further
	return sum
}

func (c *Creations) note(token, next Creation) {
	if len(c.Notes) < maxNotes {
		c.Notes = append(c.Notes, fmt.Sprintf("%s: %s asked at %s, %d ms after the token of %s was made",
			next.Player, next.by(), next.Asked.Format("15:04:05.000"), next.Asked.Sub(token.Made).Milliseconds(), token.by()))
	}
}

func (c *Creation) by() string {
	if c.Outside {
		return "another system"
	}
	return cmp.Or(c.Worker, "a worker")
}

// due reports whether a token had reached its refresh time when the next token
// was asked for. The platform states the expiry in whole seconds, so the client
// sees a life up to a second shorter. By default it refreshes a token of a short
// life when a quarter of that is left, or up to a tenth of the quarter earlier.
func (r *Rule) due(token, next Creation) bool {
	seen := token.Made.Add(r.Life).Truncate(time.Second).Sub(token.Made)
	lead := seen / 4
	return !next.Asked.Before(token.Made.Add(seen - lead - lead/10))
}

// overlapping counts the creations of a player that were asked for before an
// earlier one, or its lease, had ended.
func (r *Rule) overlapping(all []Creation) int {
	all = slices.DeleteFunc(slices.Clone(all), func(c Creation) bool { return c.Outside })
	slices.SortFunc(all, func(a, b Creation) int { return a.Asked.Compare(b.Asked) })
	n := 0
	var ended time.Time
	for _, c := range all {
		if c.Asked.Before(ended) {
			n++
		}
		end := c.Ended
		if c.Asked.Before(r.Lost) && end.After(r.Lost) {
			end = r.Lost
		}
		if end.After(ended) {
			ended = end
		}
	}
	return n
}
