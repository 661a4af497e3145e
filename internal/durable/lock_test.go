package durable

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// holdForEver locks a folder, tells of it, and waits to be killed.
func holdForEver(dir string) {
	f, err := Lock(dir)
	fmt.Println("locked", err)
	time.Sleep(time.Minute)
	f.Close()
}

// A folder is one program's until it frees it or is killed.
func TestLock(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "windows" {
		t.Skip("no locks here")
	}
	dir := filepath.Join(t.TempDir(), "deep", "run")
	f, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	const want = "another program is writing to this folder"
	if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatal("error", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DURABLE_TEST_LOCK="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "locked <nil>" {
		t.Error(line, err)
	}
	if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Error("error", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	f, err = Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
