package stage

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNoRedis means that there is no redis-server in PATH.
var ErrNoRedis = errors.New(`there is no redis-server in PATH; install it:

	Debian, Ubuntu:  apt-get install redis-server
	Fedora:          dnf install redis
	macOS:           brew install redis

Windows has no redis-server; run this in WSL`)

// A Redis is a redis-server on a free port that keeps nothing on a disk.
type Redis struct {
	Addr string

	program, dir string
	cmd          *exec.Cmd
	ended        chan struct{}
}

// StartRedis starts a redis-server; Close it.
func StartRedis() (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "replicas")
	if err != nil {
		return nil, err
	}
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", port), program: program, dir: dir}
	if err := r.Restart(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// freePort returns a port that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// Restart starts the server, empty, on the same port, after Kill.
func (r *Redis) Restart() error {
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return err
	}
	r.cmd = exec.Command(r.program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--dir", r.dir, "--logfile", filepath.Join(r.dir, "log"))
	r.cmd.SysProcAttr = diesWithParent()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	r.ended = ended
	go func(cmd *exec.Cmd) {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}(r.cmd)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r.answers() {
			return nil
		}
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			return fmt.Errorf("redis-server ended at once:\n%s", log)
		default:
		}
	}
	return errors.New("redis-server does not answer")
}

func (r *Redis) answers() bool {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && line == "+PONG\r\n"
}

// Freeze stops the server as SIGSTOP does, until Thaw: it takes connections and
// does not answer.
func (r *Redis) Freeze() error { return freeze(r.cmd.Process) }

// Thaw lets a frozen server go on.
func (r *Redis) Thaw() error { return thaw(r.cmd.Process) }

// Kill ends the server at once. All that it held is lost.
func (r *Redis) Kill() {
	if r.ended != nil {
		_ = r.cmd.Process.Kill() // the only error is that it has ended
		<-r.ended
	}
}

// Close ends the server and removes its directory.
func (r *Redis) Close() {
	r.Kill()
	_ = os.RemoveAll(r.dir)
}
