package stage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// WorkerHeader names the worker that sends a request, for the platform's records.
const WorkerHeader = "X-Worker"

// Secret is the merchant's secret at the platform, and TenantID its id.
const (
	Secret   = "0123456789abcdef0123456789abcdef"
	TenantID = 1
)

// An Address is the first output of a simulator's process.
type Address struct {
	Provider string // for workers
	Control  string // for the one who started it
}

// A Platform is the simulator of platformtoken in a process of its own.
type Platform struct {
	Life    time.Duration // of a token
	Latency time.Duration // of the creation of a token

	server   *platformtokentest.Server
	stall    Stall
	calls    atomic.Int64
	rejected atomic.Int64

	mu        sync.Mutex
	lost      time.Time // when the store lost its data
	creations []Creation
	underWay  map[*http.Request]Creation
}

// Verdict is what the platform says at the end.
type Verdict struct {
	Calls     int64 // with a token
	Rejected  int64 // of Calls: status 401
	Creations Creations
	Stall     time.Duration // the longest time in which the platform did not run
}

// Run serves until the input of this process ends.
func (p *Platform) Run() error {
	p.underWay = map[*http.Request]Creation{}
	p.server = platformtokentest.NewServer(platformtokentest.Options{TenantID: TenantID, Secret: Secret, TokenLifetime: p.Life})
	defer p.server.Close()
	p.server.Intercept(p.observe)
	done := make(chan struct{})
	defer close(done)
	go p.stall.Watch(done)
	control := http.NewServeMux()
	control.HandleFunc("/verdict", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.verdict()) })
	control.HandleFunc("/creating", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.creating()) })
	control.HandleFunc("/progress", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.progress()) })
	control.HandleFunc("/lost", func(http.ResponseWriter, *http.Request) { p.lose() })
	control.HandleFunc("/outside", func(_ http.ResponseWriter, r *http.Request) { p.outside(r.FormValue("player")) })
	return Serve(p.server.URL(), control)
}

// Serve serves the control of a simulator, prints the addresses of both, and
// returns when the input of this process ends.
func Serve(provider string, control http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: control, ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	if err := json.NewEncoder(os.Stdout).Encode(Address{provider, "http://" + l.Addr().String()}); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-UntilInputEnds():
		return nil
	}
}

// observe counts calls and rejections, and records creations.
func (p *Platform) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/createToken" {
			p.create(next, w, r)
			return
		}
		p.calls.Add(1)
		next.ServeHTTP(&Rejections{w, &p.rejected}, r)
	})
}

// create takes Latency for a creation, half of it before the act.
func (p *Platform) create(next http.Handler, w http.ResponseWriter, r *http.Request) {
	c := Creation{Worker: r.Header.Get(WorkerHeader), Asked: time.Now()}
	var in struct{ UserID string }
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.Player = in.UserID
	p.mu.Lock()
	p.underWay[r] = c
	p.mu.Unlock()
	time.Sleep(p.Latency / 2)
	p.mu.Lock() // so that the last token is the token of this request
	before := p.server.Created(c.Player)
	next.ServeHTTP(w, r)
	made := p.server.Created(c.Player) > before
	if made {
		c.Made = p.server.Tokens(c.Player)[before].CreatedAt
	}
	p.mu.Unlock()
	time.Sleep(p.Latency / 2)
	c.Ended = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.underWay, r)
	if made {
		p.creations = append(p.creations, c)
	}
}

// lose notes that the store has lost its data now.
func (p *Platform) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = time.Now()
}

// outside makes a token as another system does.
func (p *Platform) outside(player string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server.OutsideCreate(player)
	all := p.server.Tokens(player)
	made := all[len(all)-1].CreatedAt
	p.creations = append(p.creations, Creation{Player: player, Asked: made, Made: made, Ended: made, Outside: true})
}

// creating returns the workers that have exactly one creation under way, which is
// neither new nor about to end. A worker whose creation is new may be about to ask for
// others.
func (p *Platform) creating() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return creators(slices.Collect(maps.Values(p.underWay)), now.Add(-p.Latency/2), now.Add(-p.Latency/6))
}

// creators returns the workers with a single creation, which was asked for between
// two times.
func creators(underWay []Creation, after, before time.Time) []string {
	n := map[string]int{}
	for _, c := range underWay {
		n[c.Worker]++
	}
	workers := []string{}
	for _, c := range underWay {
		if n[c.Worker] == 1 && c.Asked.After(after) && c.Asked.Before(before) {
			workers = append(workers, c.Worker)
		}
	}
	slices.Sort(workers)
	return workers
}

// Progress is how far the creations are.
type Progress struct {
	Players  int // that have had a token
	UnderWay int // creations
}

func (p *Platform) progress() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	players := map[string]bool{}
	for _, c := range p.creations {
		players[c.Player] = true
	}
	return Progress{len(players), len(p.underWay)}
}

func (p *Platform) verdict() Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	rule := Rule{p.Life, p.lost}
	return Verdict{p.calls.Load(), p.rejected.Load(), rule.Judge(p.creations), p.stall.Longest()}
}

// Rejections counts the answers with status 401.
type Rejections struct {
	http.ResponseWriter
	N *atomic.Int64
}

func (r *Rejections) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		r.N.Add(1)
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (r *Rejections) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Ask gets the JSON answer of a simulator's control.
func Ask(control, path string, into any) error {
	resp, err := http.Get(control + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", path, resp.StatusCode)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// Player returns the id of a player.
func Player(i int) string { return "player-" + strconv.Itoa(i) }
