package simulator

import (
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
)

func TestLogKeepsTheLastRequestsAndCountsAll(t *testing.T) {
	s := new(Server)
	const n = 2*keep + 5
	for i := range n {
		s.log.add(httptest.NewRequest("GET", "/x", nil), fmt.Append(nil, i), true)
	}
	got := s.Requests()
	if len(got) != keep || s.Count("/x") != n {
		t.Fatalf("%d requests kept, %d counted; want %d and %d", len(got), s.Count("/x"), keep, n)
	}
	for i, r := range got {
		if b, _ := io.ReadAll(r.Body); string(b) != fmt.Sprint(n-keep+i) {
			t.Fatalf("request %d is %s", i, b)
		}
	}
	if held := len(s.log.last); held > 2*keep {
		t.Errorf("%d requests held", held)
	}
}
