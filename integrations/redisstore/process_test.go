package redisstore_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// patience is how long a test waits for an event.
const patience = 30 * time.Second

// eventually returns when ready does, and stops the test if that takes too long.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v there is still not: %s", patience, what)
		}
	}
}

// A process is a program that ends with its test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
}

// run starts a program of Redis.
func run(t *testing.T, name string, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: the tests need Redis. On Debian: apt-get install redis-server redis-sentinel", err)
	}
	output := new(outputs)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %s:\n%s", name, strings.Join(args, " "), output)
		}
	})
	return p
}

// kill ends the process at once, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop freezes the process, until resume.
func (p *process) stop() { p.signal(syscall.SIGSTOP) }

func (p *process) resume() { p.signal(syscall.SIGCONT) }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// outputs is the output of a process.
type outputs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *outputs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *outputs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// A server is a running redis-server without persistence.
type server struct {
	*process
	port string
	bus  string // its port for the other nodes of a cluster
	args []string
}

// newServer starts a redis-server on a free port, and returns when it answers.
func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	for range 5 { // another program may take the port first
		s := &server{port: freePort(t)}
		s.args = append([]string{
			"--port", s.port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no",
		}, args...)
		if s.start(t) {
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

// start starts the server, again after a kill, and reports whether it answers.
func (s *server) start(t *testing.T) bool {
	t.Helper()
	s.process = run(t, "redis-server", s.args...)
	answers := false
	eventually(t, "an answer of redis-server", func() bool {
		answers = strings.HasPrefix(inline(s.addr(), "PING"), "+PONG")
		return answers || !s.running()
	})
	return answers
}

func (s *server) addr() string { return "127.0.0.1:" + s.port }

// inline sends a command as a person does with telnet. It returns the beginning
// of the answer, "" if there is none.
func inline(addr, command string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(command + "\r\n"))
	answer := make([]byte, 64<<10)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}

// subscribed reports whether a client of the server has subscribed.
func (s *server) subscribed() bool {
	return strings.Contains(inline(s.addr(), "CLIENT LIST TYPE pubsub"), " sub=1 ")
}

// do sends a command to the server, and expects an answer that is no error.
func (s *server) do(t *testing.T, command ...string) rueidis.RedisMessage {
	t.Helper()
	client := newClient(t, s.addr(), nil)
	answer, err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).ToMessage()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return answer
}

// newClient returns a client of a single server, with the options that doc.go
// recommends and those that change sets.
func newClient(t *testing.T, addr string, change func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	o := rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true, PipelineMultiplex: -1, ForceSingleClient: true}
	if change != nil {
		change(&o)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// within returns a context with a deadline.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
