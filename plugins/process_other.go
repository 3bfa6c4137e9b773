//go:build unix && !linux

package plugins

import "syscall"

// attributes puts the program into a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limit does nothing here: another process's limits cannot be set.
func limit(int, uint64) error { return nil }

// awaitExit does nothing here: a child cannot be awaited without reaping it.
func awaitExit(int) {}
