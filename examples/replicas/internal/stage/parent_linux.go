package stage

import "syscall"

// diesWithParent lets the kernel kill a child whose parent was killed. A frozen
// child would not notice the end of its input.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
