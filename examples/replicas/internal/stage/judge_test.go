package stage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at returns a time so many milliseconds after a whole second.
func at(ms int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(ms)) }

// created is a creation that took 20 ms.
func created(player string, ms int) Creation {
	return Creation{Player: player, Asked: at(ms), Made: at(ms + 10), Ended: at(ms + 20)}
}

func TestJudge(t *testing.T) {
	rule := Rule{Life: 2 * time.Second}
	outside := created("a", 1000)
	outside.Outside = true
	for name, tc := range map[string]struct {
		creations []Creation
		want      Creations
	}{
		"nothing":                     {nil, Creations{}},
		"first tokens are due":        {[]Creation{created("a", 0), created("b", 0)}, Creations{Made: 2, Due: 2}},
		"an expired token":            {[]Creation{created("a", 0), created("a", 3000)}, Creations{Made: 2, Due: 2}},
		"a quarter of the life left":  {[]Creation{created("a", -10), created("a", 1500)}, Creations{Made: 2, Due: 2}},
		"and a tenth of that earlier": {[]Creation{created("a", -10), created("a", 1450)}, Creations{Made: 2, Due: 2}},
		"before that":                 {[]Creation{created("a", -10), created("a", 1449)}, Creations{Made: 2, Due: 1, Further: 1, MostFurther: 1}},
		// Made at 0.5 s, it expires at 2.5 s, stated as 2 s: a life of 1.5 s.
		"an expiry in whole seconds":            {[]Creation{created("a", 490), created("a", 490+10+1088)}, Creations{Made: 2, Due: 2}},
		"before an expiry in whole seconds":     {[]Creation{created("a", 490), created("a", 490+10+1087)}, Creations{Made: 2, Due: 1, Further: 1, MostFurther: 1}},
		"the most of a player":                  {[]Creation{created("a", 0), created("a", 100), created("a", 200), created("b", 0), created("b", 100)}, Creations{Made: 5, Due: 2, Further: 3, MostFurther: 2}},
		"another system's token":                {[]Creation{created("a", 0), outside, created("a", 1100)}, Creations{Made: 2, Due: 1, Further: 1, Outside: 1, MostFurther: 1}},
		"two at once":                           {[]Creation{created("a", 0), created("a", 15)}, Creations{Made: 2, Due: 1, Further: 1, Overlapping: 1, MostFurther: 1}},
		"one after another":                     {[]Creation{created("a", 0), created("a", 20)}, Creations{Made: 2, Due: 1, Further: 1, MostFurther: 1}},
		"two players at once":                   {[]Creation{created("a", 0), created("b", 5)}, Creations{Made: 2, Due: 2}},
		"another system's at once with a first": {[]Creation{outside, created("b", 1005)}, Creations{Made: 1, Due: 1, Outside: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := rule.Judge(tc.creations)
			if len(got.Notes) != got.Further {
				t.Errorf("%d notes on %d further creations", len(got.Notes), got.Further)
			}
			got.Notes = nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJudge_overlapping(t *testing.T) {
	long := created("a", 0)
	long.Ended = at(500)
	for lost, want := range map[time.Time]int{{}: 2, at(-1): 2, at(50): 0, at(200): 1, at(450): 2} {
		rule := Rule{Life: time.Second, Lost: lost}
		if n := rule.Judge([]Creation{created("a", 400), long, created("a", 100)}).Overlapping; n != want {
			t.Errorf("lost at %v: %d overlapping, want %d", lost, n, want)
		}
	}
}

func TestJudge_notes(t *testing.T) {
	outside, next := created("a", 1000), created("a", 1100)
	outside.Outside, next.Worker = true, "worker 3"
	want := []string{"a: worker 3 asked at " + at(1100).Format("15:04:05.000") + ", 90 ms after the token of another system was made"}
	rule := Rule{Life: 2 * time.Second}
	if diff := cmp.Diff(want, rule.Judge([]Creation{created("a", 0), outside, next}).Notes); diff != "" {
		t.Error(diff)
	}
}
