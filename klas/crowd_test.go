package klas_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

// eventually waits for half a minute until ok holds.
func eventually(ok func() bool) bool {
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// Each of the connections sends a request whose body stalls. All are answered at
// HandlerTimeout, and nothing is left of them although the clients never leave.
func TestWebhook_stalledCrowd(t *testing.T) {
	const connections = 300
	const handlerTimeout = 300 * time.Millisecond
	requests := map[string]string{
		"POST of known length":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
		"POST of unknown length": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"PUT of known length":    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
		"PUT of unknown length":  "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
	}
	wrappers := map[string]func(http.Handler) http.Handler{
		"net/http":             func(h http.Handler) http.Handler { return h },
		"a writer with Unwrap": wrap,
	}
	for name, wrap := range behind {
		wrappers[name] = wrap
	}
	for where, wrap := range wrappers {
		for what, head := range requests {
			t.Run(what+" behind "+where, func(t *testing.T) {
				before := runtime.NumGoroutine()
				hook := newHook(t, timeout(handlerTimeout))
				srv := httptest.NewUnstartedServer(wrap(hook.AuthenticateHandler(unreachable(t))))
				srv.Config.ReadTimeout = 2 * time.Second
				srv.Config.ConnContext = klas.ConnContext
				srv.Start()
				var all sync.WaitGroup
				conns := make([]net.Conn, connections)
				for i := range conns {
					c, err := net.Dial("tcp", srv.Listener.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					conns[i] = c
					all.Go(func() {
						_, _ = io.WriteString(c, head)
						_ = c.SetReadDeadline(time.Now().Add(time.Minute))
						resp, err := http.ReadResponse(bufio.NewReader(c), nil)
						if err != nil {
							t.Errorf("no answer: %v", err)
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					})
				}
				all.Wait()
				const server = 3 // goroutines of net/http and httptest without a connection
				if !eventually(func() bool { return runtime.NumGoroutine() <= before+server && hook.Abandoned() == 0 }) {
					t.Errorf("%d goroutines are left, %d reads go on", runtime.NumGoroutine()-before-server, hook.Abandoned())
				}
				srv.Close()
			})
		}
	}
}

// BenchmarkAbandoned states the memory of Authenticators that ignore their
// context, each a webhook that was answered at HandlerTimeout.
func BenchmarkAbandoned(b *testing.B) {
	const late = 10_000
	release := make(chan struct{})
	defer close(release)
	hook := newHook(b, timeout(time.Second))
	h := hook.AuthenticateHandler(stuck(release))
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := memory()
	for b.Loop() {
		var all sync.WaitGroup
		for i := range late {
			all.Go(func() {
				body := strings.Replace(compact, "12001", fmt.Sprint(i), 1)
				h.ServeHTTP(httptest.NewRecorder(), request(body, sign(secret, body)))
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(memory()-before)/float64(hook.Abandoned()), "B/abandoned")
	b.ReportMetric(0, "ns/op")
}
