package bench

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// ResetPeak frees memory that is not in use, and begins again to look for the most memory that the process has
// had. It reports whether the system can do that: Linux can (proc(5), /proc/pid/clear_refs).
func ResetPeak() bool {
	debug.FreeOSMemory()
	f, err := os.OpenFile("/proc/self/clear_refs", os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	_, err = f.WriteString("5")
	return f.Close() == nil && err == nil
}

// PeakRSS returns the most memory that the process has had since ResetPeak, in bytes, or 0 where the system does not
// tell.
func PeakRSS() int64 { return status("VmHWM:") }

// RSS returns the memory that the process has, in bytes, or 0 where the system does not tell.
func RSS() int64 { return status("VmRSS:") }

// status returns a size that Linux tells of this process (proc(5), /proc/pid/status), or 0.
func status(line string) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), line); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}
