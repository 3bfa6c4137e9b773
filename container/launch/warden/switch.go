package warden

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as calls do as the file system user id: the kernel judges every access by
// that user's own rights, and root's are out of play. It happens on a thread
// of its own, which ends with it; nothing is switched back, so nothing can be
// left switched by mistake. Only file operations belong in do.
func (id identity) as(do func() error) error {
	if !id.Switch {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime then ends the thread with the goroutine.
		runtime.LockOSThread()
		err := id.enter()
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// enter uses raw system calls, because the usual ones change every thread.
// Changing the file system uid from 0 also drops the capabilities that override
// file permissions (capabilities(7)).
func (id identity) enter() error {
	var groups unsafe.Pointer
	if len(id.Groups) > 0 {
		groups = unsafe.Pointer(&id.Groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(id.Groups)), uintptr(groups), 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	const ask = ^uintptr(0) // an impossible id: changes nothing, returns the present one
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(id.GID), 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(id.UID), 0, 0)
	gid, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, ask, 0, 0)
	uid, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, ask, 0, 0)
	if id.UID == 0 || uint32(uid) != id.UID || uint32(gid) != id.GID {
		return errors.New("cannot act as the job's user")
	}
	return nil
}
