package state

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// available returns the bytes of memory that are free for use, and whether that is known. Tests replace it.
var available = func() (int64, bool) {
	free, ok := meminfo()
	// A container may have less than the machine.
	limit, errLimit := number("/sys/fs/cgroup/memory.max")
	used, errUsed := number("/sys/fs/cgroup/memory.current")
	if errLimit == nil && errUsed == nil && (!ok || limit-used < free) {
		return max(0, limit-used), true
	}
	return free, ok
}

// Available returns the bytes of memory that are free for use, and whether that is known.
func Available() (bytes int64, known bool) { return available() }

// number reads a file that holds a number.
func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// meminfo returns the memory that Linux calls available.
func meminfo() (int64, bool) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
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
