package simulator_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

func TestServer_Stall(t *testing.T) {
	p := new(provider)
	inBubble(t, p, func(t *testing.T, s *simulator.Server) {
		s.Stall(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		got := send(ctx, s.Client(), http.MethodGet, s.URL()+"/x", "")
		if got.Status != 200 || got.Body != "" || got.Err == nil || time.Since(start) != time.Minute || p.acts.Load() != 1 {
			t.Errorf("after %v: %+v", time.Since(start), got)
		}
		if got := get(t, s, "/x"); got.Err != nil || got.Status != 200 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestServer_Stream(t *testing.T) {
	inBothModes(t, simulator.Options{}, nil, func(t *testing.T, s *simulator.Server) {
		events := make(chan string)
		s.Stream(1, events, http.Header{"Content-Type": {"text/event-stream"}})
		resp, err := s.Client().Get(s.URL() + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got []string
		for _, text := range []string{"one", "two"} {
			events <- text
			b := make([]byte, 10)
			n, _ := resp.Body.Read(b)
			got = append(got, string(b[:n]))
		}
		close(events)
		rest, err := io.ReadAll(resp.Body)
		got = append(got, string(rest), resp.Header.Get("Content-Type"))
		if diff := cmp.Diff([]string{"one", "two", "", "text/event-stream"}, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

func TestServer_ByteOrderMark(t *testing.T) {
	inBothModes(t, simulator.Options{}, new(provider), func(t *testing.T, s *simulator.Server) {
		s.ByteOrderMark(1)
		for _, want := range []string{"\ufeffGET /x ", "GET /x "} {
			if got := get(t, s, "/x"); got.Body != want || got.Err != nil {
				t.Errorf("got %q (%v), want %q", got.Body, got.Err, want)
			}
		}
	})
}

func TestServer_ClearFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(new(provider), simulator.Options{InMemory: true})
		defer s.Close()
		s.FailNext(math.MaxInt, 503, nil)
		s.LoseAnswers(1)
		s.Delay(time.Minute)
		s.ClearFaults()
		start := time.Now()
		if got := get(t, s, "/x"); got.Status != 200 || got.Err != nil || time.Since(start) != 0 {
			t.Errorf("after %v: %+v", time.Since(start), got)
		}
	})
}
