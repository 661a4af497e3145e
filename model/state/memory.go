package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// available returns the bytes of memory that are free for use, and whether that is known. Tests replace it.
var available = func() (int64, bool) {
	free, ok := meminfo()
	// A container, or a group of processes, may have less than the machine.
	own, _ := os.ReadFile("/proc/self/cgroup")
	if group, limited := cgroup("/sys/fs/cgroup", string(own)); limited && (!ok || group < free) {
		return group, true
	}
	return free, ok
}

// Available returns the bytes of memory that are free for use, and whether that is known.
func Available() (bytes int64, known bool) { return available() }

// cgroup returns the bytes that a process may still take of what its control group and those around it are limited to, and whether one is.
// root is where these are mounted, own is what /proc/self/cgroup says (cgroups(7), version 2). What the system keeps of files counts as
// used there, but goes when others need the room.
func cgroup(root, own string) (free int64, limited bool) {
	_, path, _ := strings.Cut(own, "0::/")
	path, _, _ = strings.Cut(path, "\n")
	for dir := filepath.Join(root, path); len(dir) >= len(root); dir = filepath.Dir(dir) {
		limit, err := number(filepath.Join(dir, "memory.max")) // or the word max
		used, errUsed := number(filepath.Join(dir, "memory.current"))
		if err != nil || errUsed != nil {
			continue
		}
		files := entry(filepath.Join(dir, "memory.stat"), "active_file") + entry(filepath.Join(dir, "memory.stat"), "inactive_file")
		if left := max(0, limit-used+files); !limited || left < free {
			free, limited = left, true
		}
	}
	return free, limited
}

// number reads a file that holds a number.
func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// entry returns the number behind a word in a file of such lines, 0 if there is none.
func entry(path, word string) int64 {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if name, rest, _ := strings.Cut(line, " "); name == word {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n
		}
	}
	return 0
}

// meminfo returns the memory that Linux calls available.
func meminfo() (int64, bool) {
	kb := entry("/proc/meminfo", "MemAvailable:")
	return kb << 10, kb > 0
}

// Fits returns an error if a sequence that grows from one number of tokens to another takes more memory than is free.
// Where the system does not tell how much that is, everything fits.
func Fits(specs []Spec, from, to int) error {
	need := Bytes(specs, to) - Bytes(specs, from)
	if free, ok := fits(need); !ok {
		return fmt.Errorf("a context of %d tokens needs %.1f GiB of memory, %.1f GiB are free; shorten the prompt or the answer (--max-tokens)", to, gib(need), gib(free))
	}
	return nil
}

// FitsBatch returns an error if so many new sequences of n tokens each take more memory than is free, as Fits does.
func FitsBatch(specs []Spec, sequences, n int) error {
	need := times(int64(sequences), Bytes(specs, n))
	if free, ok := fits(need); !ok {
		return fmt.Errorf("%d contexts of %d tokens need %.1f GiB of memory, %.1f GiB are free", sequences, n, gib(need), gib(free))
	}
	return nil
}

// fits reports whether so much more memory is free, and how much is.
func fits(need int64) (free int64, ok bool) {
	if need <= 0 {
		return 0, true // what there is has room
	}
	free, known := available()
	return free, !known || need <= free
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }
