//go:build unix

package loop

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fileLimit is the size that files of a child can have.
const fileLimit = "LOOP_TEST_FILE_LIMIT"

// limitFiles makes writing larger files fail, as on a full disk.
func limitFiles() {
	if n, err := strconv.ParseUint(os.Getenv(fileLimit), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
}

// The system's own error at some byte of some file, half-way through a run.
func TestFileLimit(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	finish(t, must(t, base, "whole", nil))
	dir := filepath.Join(base, "run")
	info, err := os.Stat(filepath.Join(base, "whole", "latest", optimizerFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{info.Size() - 1, 1500} { // moments, log
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, fileLimit+"="+strconv.FormatInt(limit, 10))
		out, err := cmd.Output()
		if err == nil || !strings.Contains(string(out), "file too large") {
			t.Fatalf("limit %d: %v, %s", limit, err, out)
		}
		if _, _, err := Latest(dir); err == nil {
			t.Fatal("a step is saved")
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		finishSome(t, base, "run", 7)
		cmd = exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, fileLimit+"="+strconv.FormatInt(limit, 10))
		if out, err := cmd.Output(); err == nil {
			t.Fatalf("limit %d: %s", limit, out)
		}
		if s, _, err := Latest(dir); err != nil || s.Step != 7 {
			t.Fatal(s.Step, err)
		}
		finish(t, must(t, base, "run", nil))
		sameRun(t, dir, filepath.Join(base, "whole"))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}
