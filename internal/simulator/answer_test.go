package simulator_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

func TestWriteJSONWritesCompactUnescapedJSON(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		simulator.WriteJSON(w, http.StatusCreated, map[string]any{"a": "<&>é", "b": []int{1, 2}})
	})
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		got := get(t, s, "/x")
		if want := `{"a":"<&>é","b":[1,2]}`; got.Status != 201 || got.Body != want || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%+v, want 201 %s", got, want)
		}
	})
}

func TestWriteJSONOfAnImpossibleValueIs500(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { simulator.WriteJSON(w, 200, math.NaN()) })
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		if got := get(t, s, "/x"); got.Status != 500 || got.Body == "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnswersKeepStatusAndHeaderSpelling(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Path", r.URL.Path)
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "x")
		case "/unchanged":
			w.WriteHeader(http.StatusNotModified)
			_, _ = io.WriteString(w, "never sent")
		case "/large":
			_, _ = w.Write(make([]byte, 1<<20))
		}
	})
	type sent struct {
		Status, Len    int
		Path, Announce string
	}
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		for _, want := range []sent{
			{418, 1, "/early", "1"},
			{304, 0, "/unchanged", ""},
			{200, 1 << 20, "/large", "1048576"},
			{200, 0, "/nothing", "0"},
		} {
			got := get(t, s, want.Path)
			if diff := cmp.Diff(want, sent{got.Status, len(got.Body), got.Header.Get("X-Path"), got.Header.Get("Content-Length")}); diff != "" || got.Err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", want.Path, got.Err, diff)
			}
		}
	})
}

func TestHandlersOwnContentLengthIsKept(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "four")
	})
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		got := post(t, s, "/x", "")
		if got.Header.Get("Content-Length") != "5" || got.Body != "four" || !errors.Is(got.Err, io.ErrUnexpectedEOF) {
			t.Errorf("%+v, want 4 of 5 bytes", got)
		}
	})
}
