// Package stage is the stage of example replicas and of the fleet: real
// processes, a Redis server, the platform as a process that judges the tokens
// asked of it, and the crowd of callers inside a replica.
package stage

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// patience is how long a process may take to start, or to end with the calls under
// way.
const patience = callTimeout + 10*time.Second

// A Process is this program, started again with other arguments. It writes JSON
// values to its output, and ends when its input ends. So it does not outlive its
// parent.
type Process[Out any] struct {
	Name string

	cmd   *exec.Cmd
	input io.Closer
	first chan struct{} // closed with the first value
	ended chan struct{}

	mu   sync.Mutex
	last Out
	err  error
}

// Start starts this program with arguments, and waits for its first value.
func Start[Out any](name string, arguments ...string) (*Process[Out], error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process[Out]{Name: name, cmd: exec.Command(self, arguments...), first: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	// Replicas have machines of their own. Here they share one.
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.cmd.SysProcAttr = diesWithParent()
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.read(output)
	select {
	case <-p.first:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended at once: %w", name, p.err)
	case <-time.After(patience):
		p.Kill()
		return nil, fmt.Errorf("%s does not start", name)
	}
}

// read keeps the last value of the output, until the process ends.
func (p *Process[Out]) read(output io.Reader) {
	defer close(p.ended)
	first := sync.OnceFunc(func() { close(p.first) })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var out Out
		if json.Unmarshal(lines.Bytes(), &out) != nil {
			continue // the process was killed in the middle of a line
		}
		p.mu.Lock()
		p.last = out
		p.mu.Unlock()
		first()
	}
	p.err = errors.Join(lines.Err(), p.cmd.Wait())
}

// Last returns the last value that the process has written.
func (p *Process[Out]) Last() Out {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Stop lets the process end, and returns its last value.
func (p *Process[Out]) Stop() (Out, error) {
	_ = p.input.Close() // the process may have been killed
	select {
	case <-p.ended:
		return p.Last(), p.err
	case <-time.After(patience):
		p.Kill()
		return p.Last(), fmt.Errorf("%s does not end", p.Name)
	}
}

// Kill ends the process at once, as kill -9 does.
func (p *Process[Out]) Kill() {
	_ = p.cmd.Process.Kill() // the only error is that it has ended
	<-p.ended
}

// Freeze stops the process as SIGSTOP does, until Thaw.
func (p *Process[Out]) Freeze() error { return freeze(p.cmd.Process) }

// Thaw lets a frozen process go on.
func (p *Process[Out]) Thaw() error { return thaw(p.cmd.Process) }

// UntilInputEnds returns a channel that is closed when the parent closes the
// input of this process, or is gone.
func UntilInputEnds() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	return ended
}
