package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errNoPostgres = errors.New(`there is no PostgreSQL server here. Set DATABASE_URL to a database, or install one:
	apt-get install postgresql    on Debian and Ubuntu
	brew install postgresql       on macOS`)

// patience is for the start of a server, and for its end.
const patience = 30 * time.Second

// A server is a temporary PostgreSQL server. It listens on a Unix socket only.
type server struct {
	dsn  string
	dir  string
	cmd  *exec.Cmd
	stop context.CancelFunc
}

// startServer starts a server on an empty database.
func startServer() (*server, error) {
	bin, err := binaries(filepath.SplitList(os.Getenv("PATH")), "/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgresstore")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, dsn: "host=" + dir + " user=postgres dbname=postgres sslmode=disable"}
	if err := s.start(bin); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// binaries returns the directory of postgres and initdb. It looks in dirs, and
// then in the directories that match patterns.
func binaries(dirs []string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "postgres")) && executable(filepath.Join(dir, "initdb")) {
			return dir, nil
		}
	}
	return "", errNoPostgres
}

func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func (s *server) start(bin string) error {
	as, err := s.owner()
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = s.dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}

	running, stop := context.WithCancel(context.Background())
	postgres := exec.CommandContext(running, filepath.Join(bin, "postgres"), "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	postgres.Dir, postgres.SysProcAttr = s.dir, as
	postgres.Cancel = func() error { return postgres.Process.Signal(os.Interrupt) } // a fast shutdown
	postgres.WaitDelay = patience
	log, err := postgres.StderrPipe()
	if err == nil {
		err = postgres.Start()
	}
	if err != nil {
		stop()
		return err
	}
	s.cmd, s.stop = postgres, stop
	return ready(log)
}

// owner gives the directory of the server to the user that runs it. PostgreSQL
// does not run as root.
func (s *server) owner() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return as, os.Chown(s.dir, int(uid), int(gid))
}

// ready waits until the log says that the server takes connections. It goes on to
// read the log, so that the server can write.
func ready(log io.Reader) error {
	result := make(chan error, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "ready to accept connections") {
				result <- nil
				_, _ = io.Copy(io.Discard, log)
				return
			}
			fmt.Fprintln(&text, lines.Text())
		}
		result <- fmt.Errorf("the PostgreSQL server ended:\n%s", &text)
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the PostgreSQL server did not start within %v", patience)
	}
}

// close ends the server and deletes its data.
func (s *server) close() {
	if s.cmd != nil {
		s.stop()
		_ = s.cmd.Wait() // its error is that it was interrupted
	}
	_ = os.RemoveAll(s.dir)
}
