package kernel

import (
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// tilesPermitted asks the system for the use of tile units, which it grants to the process and for good; it refuses where
// the stack of a signal handler is too small for them.
func tilesPermitted() bool {
	const (
		archReqXcompPerm = 0x1023 // asm/prctl.h
		tileData         = 18     // the number of the state
	)
	if !cpu.X86.HasAMXTile {
		return false
	}
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, archReqXcompPerm, tileData, 0)
	return errno == 0
}
