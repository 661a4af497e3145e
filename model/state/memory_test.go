package state

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCgroup expects the least that the groups of a process leave, files that the system keeps not counted.
func TestCgroup(t *testing.T) {
	root := t.TempDir()
	group := func(path, limit, current, stat string) {
		t.Helper()
		dir := filepath.Join(root, path)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{"memory.max": limit, "memory.current": current, "memory.stat": stat} {
			if content == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	group("a", "1000", "700", "anon 400\nfile 250\nactive_file 100\ninactive_file 150")
	group("a/b", "max", "700", "inactive_file 150")
	group("a/b/c", "500", "100", "")
	group("full", "500", "600", "")
	group("free", "max", "600", "")
	for own, want := range map[string]int64{
		"0::/a\n": 550, "0::/a/b\n": 550, "0::/a/b/c\n": 400, "1:memory:/x\n0::/a\n": 550, "0::/full": 0, "0::/a/gone": 550,
		"0::/free\n": -1, "0::/\n": -1, "": -1, "0::/../../..": -1,
	} {
		if got, limited := cgroup(root, own); limited != (want >= 0) || limited && got != want {
			t.Errorf("%q: %d bytes, %v, want %d", own, got, limited, want)
		}
	}
	group(".", "300", "100", "") // a container's own
	if got, _ := cgroup(root, "0::/a\n"); got != 200 {
		t.Errorf("%d bytes, want 200", got)
	}
	if got, limited := Available(); limited && got < 1 {
		t.Errorf("%d bytes are available here", got)
	}
}
