package prefix

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jamba/model/state"
)

// prompt returns n tokens that begin with those of a shorter one.
func prompt(n int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(i*7%250 + 1)
	}
	return tokens
}

// shelfTest is a cache with a disk.
type shelfTest struct {
	*Cache
	disk     *Disk
	warnings []string
}

func openTest(t *testing.T, dir string, o DiskOptions, arena *state.Arena) *shelfTest {
	t.Helper()
	c := &shelfTest{}
	var mu sync.Mutex
	o.Warn = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		c.warnings = append(c.warnings, err.Error())
	}
	d, err := OpenDisk(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c.disk, c.Cache = d, New(arena, Options{Disk: d})
	return c
}

// serve computes a prompt from what is found, checks that, and leaves snapshots at the cuts. It returns how much was found.
func (c *shelfTest) serve(t *testing.T, r Root, tokens []int32, cuts ...int) int {
	t.Helper()
	p := c.Announce(r, tokens)
	defer p.Retire()
	again := p.Match()
	again.Fetch()
	again.Release()
	h, done := p.Match(), make(chan struct{})
	go func() {
		defer close(done)
		if len(tokens)%2 == 0 {
			h.Fetch()
		}
	}()
	p.Match().Release()
	<-done
	s := h.Take()
	defer s.Free()
	found := s.Pos()
	check(t, s, tokens[:found])
	cuts = slices.DeleteFunc(cuts, func(at int) bool { return at <= found })
	for _, kept := range compute(t, s, tokens, cuts...) {
		p.Insert(tokens, kept, Border)
	}
	return found
}

func (c *shelfTest) end(t *testing.T) {
	t.Helper()
	if err := c.Close(); err != nil || c.arena.Used() != 0 {
		t.Errorf("%v; %d bytes are in use", err, c.arena.Used())
	}
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), fileSuffix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestRestart expects that snapshots of each root are found again, by that root alone, and that the salt is not in the files.
func TestRestart(t *testing.T) {
	for _, specs := range [][]state.Spec{hybrid, attention, windowed} {
		dir, arena := t.TempDir(), state.NewArena(specs, 0)
		roots := []Root{{}, {Salt: "the secret"}, {Adapter: new(int), Disk: "lora 1"}}
		c := openTest(t, dir, DiskOptions{Model: [32]byte{1}}, arena)
		for _, r := range roots {
			c.serve(t, r, prompt(700), 10, 300, 600)
		}
		c.serve(t, Root{Adapter: new(int)}, prompt(700), 300) // has no name on the disk
		c.end(t)
		if n := len(files(t, dir)); n != 9 {
			t.Fatalf("%d files, want 9", n)
		}
		for _, name := range files(t, dir) {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Contains(b, []byte("the secret")) {
				t.Error(err, "the salt is in a file")
			}
		}
		c = openTest(t, dir, DiskOptions{Model: [32]byte{1}}, arena)
		roots[2].Adapter = new(int) // another program's
		for _, r := range roots {
			for _, test := range []struct{ tokens, want int }{{650, 600}, {600, 300}, {301, 300}, {10, 0}} {
				if got := c.serve(t, r, prompt(test.tokens)); got != test.want && len(specs) == 2 && specs[0].DInner > 0 {
					t.Errorf("found %d of %d tokens, want %d", got, test.tokens, test.want)
				}
			}
		}
		for _, r := range []Root{{Salt: "x"}, {Disk: "lora 2"}, {Adapter: new(int)}} {
			if got := c.serve(t, r, prompt(650)); got != 0 {
				t.Errorf("%d tokens of another root", got)
			}
		}
		if s := c.Stats().Disk; s.Hits < 3 || s.Files < 9 || len(c.warnings) > 0 {
			t.Errorf("%+v, %v", s, c.warnings)
		}
		c.end(t)
		// Those of another model stay, and are not used.
		c = openTest(t, dir, DiskOptions{Model: [32]byte{2}}, arena)
		if got := c.serve(t, Root{}, prompt(650)); got != 0 || len(c.warnings) > 0 {
			t.Errorf("found %d tokens of another model; %v", got, c.warnings)
		}
		c.end(t)
	}
}

// TestDamage damages a file in every way, before the start and after: it is told of, nothing is found, nothing is in use.
func TestDamage(t *testing.T) {
	dir, arena := t.TempDir(), state.NewArena(hybrid, 0)
	c := openTest(t, dir, DiskOptions{}, arena)
	tokens := prompt(70)
	c.serve(t, Root{}, tokens, 60)
	c.end(t)
	name := files(t, dir)[0]
	path := filepath.Join(dir, name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, file []byte) {
		t.Helper()
		for _, late := range []bool{false, true} {
			put := func(b []byte) {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put(file)
			if late {
				put(good)
			}
			c := openTest(t, dir, DiskOptions{}, arena)
			put(file)
			if got := c.serve(t, Root{}, tokens); got != 0 || len(c.warnings) != 1 || !strings.Contains(c.warnings[0], name) {
				t.Fatalf("%s (late: %v): %d tokens are found, warnings %q", what, late, got, c.warnings)
			}
			// It is made anew, and found.
			c.serve(t, Root{}, tokens, 60)
			c.end(t)
			c = openTest(t, dir, DiskOptions{}, arena)
			if got := c.serve(t, Root{}, tokens); got != 60 || len(c.warnings) > 0 {
				t.Fatalf("%s: %d tokens are found afterwards, warnings %q", what, got, c.warnings)
			}
			c.end(t)
		}
	}
	at := len((&book{tokens: tokens[:60]}).header([32]byte{}))
	for i := 0; i < len(good); i += 1 + i/9 {
		try(fmt.Sprint("cut to ", i), good[:i])
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		try(fmt.Sprint("bit at ", i), bad)
	}
	try("another version", append([]byte("jamba prefix 2\n"), good[len(fileMagic):]...))
	other := func(s []int32, of *state.State) []byte {
		var w bytes.Buffer
		if err := writeBook(&w, &book{shelf: mustShelf(Root{}), kind: Border, tokens: s}, of, [32]byte{}); err != nil {
			t.Fatal(err)
		}
		return w.Bytes()
	}
	s := state.NewArena(hybrid, 0).New()
	compute(t, s, tokens[:50])
	try("another's tokens", other(tokens[:50], s))
	try("a state of fewer tokens", other(tokens[:60], s))
	compute(t, s, tokens[:61])
	try("a state of more tokens", other(tokens[:60], s))
	wrong := state.NewArena(windowed, 0).New()
	compute(t, wrong, tokens[:60])
	try("other layers", other(tokens[:60], wrong))
	// Sizes that nobody has memory for, in a file that is as large, with nothing in it.
	huge := slices.Clone(good[:at])
	copy(huge[fixedBytes-4:], "\xff\xff\xff\xff")
	try("4 billion tokens", huge)
	copy(huge[fixedBytes-4:], "\xff\xff\xff\x00")
	try("16 million tokens", huge)
}

func mustShelf(r Root) shelf {
	s, _ := r.shelf()
	return s
}

// TestForeign expects that what is not ours is neither read, counted nor removed, and that what only looks so is told of.
func TestForeign(t *testing.T) {
	dir, arena := t.TempDir(), state.NewArena(hybrid, 0)
	theirs := []string{"notes.txt", "prefix-notes", "x.state"}
	for _, name := range theirs {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "prefix-folder.state"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, dir, DiskOptions{Limit: 500}, arena)
	if s := c.Stats().Disk; s.Bytes != 0 || s.Files != 0 || len(c.warnings) != 1 || !strings.Contains(c.warnings[0], "is no file") {
		t.Errorf("%+v, %q", s, c.warnings)
	}
	if _, err := OpenDisk(dir, DiskOptions{}); err == nil || !strings.Contains(err.Error(), "another program is writing") {
		t.Error("two programs have the folder:", err)
	}
	c.end(t)
	for _, name := range theirs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskLimit expects that the least recently used files go, across restarts, and that one which is too large is not kept.
func TestDiskLimit(t *testing.T) {
	dir, arena := t.TempDir(), state.NewArena(hybrid, 0)
	c := openTest(t, dir, DiskOptions{}, arena)
	c.serve(t, Root{}, prompt(50), 40)
	c.end(t)
	info, err := os.Stat(filepath.Join(dir, files(t, dir)[0]))
	if err != nil {
		t.Fatal(err)
	}
	limit := info.Size()*7/2 + 200
	for i := range 6 {
		c = openTest(t, dir, DiskOptions{Limit: limit}, arena)
		if got := c.serve(t, Root{}, prompt(50), 40); got != 0 && got != 40 || i > 0 && got == 0 {
			t.Fatalf("start %d: %d tokens of what is used each time", i, got)
		}
		c.serve(t, Root{Salt: fmt.Sprint(i)}, prompt(50), 40)
		c.end(t)
		time.Sleep(20 * time.Millisecond) // file systems' clocks are coarse
	}
	c = openTest(t, dir, DiskOptions{Limit: limit}, arena)
	if s := c.Stats().Disk; s.Files != 3 || s.Bytes > limit {
		t.Errorf("%+v, limit %d", s, limit)
	}
	for i, want := range []int{0, 0, 0, 0, 40, 40} {
		if got := c.serve(t, Root{Salt: fmt.Sprint(i)}, prompt(50)); got != want {
			t.Errorf("%d tokens of start %d, want %d", got, i, want)
		}
	}
	c.serve(t, Root{}, prompt(3000), 2900)
	c.end(t)
	if len(c.warnings) > 0 || len(files(t, dir)) != 3 {
		t.Errorf("%q, %d files", c.warnings, len(files(t, dir)))
	}
}

// TestNoRoom expects that a snapshot on the disk is loaded only if there is room, which is made by evicting; and that what
// waits to be written is given up when memory is needed.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, dir, DiskOptions{}, state.NewArena(hybrid, 0))
	c.serve(t, Root{}, prompt(1100), 1000)
	c.end(t)
	need := state.Bytes(hybrid, 1000)
	for _, test := range []struct {
		limit int64
		want  int
	}{{need, 1000}, {need - 1, 0}} {
		arena := state.NewArena(hybrid, test.limit)
		c := openTest(t, dir, DiskOptions{}, arena)
		c.serve(t, Root{Salt: fmt.Sprint(test.limit)}, prompt(300), 200) // has to go
		for c.disk.Stats().Writes == 0 {
			time.Sleep(time.Millisecond)
		}
		p := c.Announce(Root{}, prompt(1100))
		h := p.Match()
		if !h.Disk || h.Pos != 1000 {
			t.Fatal(h)
		}
		s := h.Take()
		check(t, s, prompt(1100)[:test.want])
		if got := c.Stats(); test.want == 0 && (got.Misses[Lost] != 1 || got.Snapshots != 1) || len(c.warnings) > 0 {
			t.Errorf("%+v %q", got, c.warnings)
		}
		s.Free()
		p.Retire()
		c.Evict(1 << 40)
		if arena.Used() != 0 {
			t.Errorf("%d bytes are left", arena.Used())
		}
		c.end(t)
	}
}

// TestWriteFails expects a warning and no more if the folder is gone.
func TestWriteFails(t *testing.T) {
	dir, arena := filepath.Join(t.TempDir(), "d"), state.NewArena(hybrid, 0)
	c := openTest(t, dir, DiskOptions{}, arena)
	if err := os.RemoveAll(dir); err != nil {
		t.Skip(err)
	}
	c.serve(t, Root{}, prompt(50), 20, 40)
	c.end(t)
	if s := c.disk.Stats(); len(c.warnings) != 2 || s.Errors != 2 || s.Bytes != 0 || s.Writes != 0 {
		t.Errorf("%q, %+v", c.warnings, s)
	}
	if _, err := OpenDisk(filepath.Join(dir, "\x00"), DiskOptions{}); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestHostileSizes expects that what a header says is held against the file's size and a bound before memory is taken for
// it. The second file is sparse: it has the bytes.
func TestHostileSizes(t *testing.T) {
	header := (&book{tokens: []int32{1}}).header([32]byte{})
	for _, test := range []struct {
		tokens string
		size   int64
	}{{"\x00\x00\xff\x00", 1000}, {"\xff\xff\xff\xff", 1 << 40}} {
		bad := append(slices.Clone(header), make([]byte, 1000)...)
		copy(bad[fixedBytes-4:], test.tokens)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readBook(bytes.NewReader(bad), test.size, [32]byte{})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 1<<20 {
			t.Errorf("%v; %d bytes were taken", err, n)
		}
	}
}

// TestCutBackIsNotWritten expects that a snapshot which was cut back for a request is not written as one of the request's tokens, which
// go on otherwise or are fewer.
func TestCutBackIsNotWritten(t *testing.T) {
	dir, arena := t.TempDir(), state.NewArena(attention, 0)
	c := openTest(t, dir, DiskOptions{Model: [32]byte{1}, Limit: 1}, arena) // nothing has room on the disk
	c.serve(t, Root{}, prompt(700), 600)
	for c.disk.Stats().Bytes > 0 || c.disk.pending.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	c.disk.mu.Lock()
	c.disk.options.Limit = 0
	c.disk.mu.Unlock()
	other := slices.Concat(prompt(300), make([]int32, 500))
	for _, tokens := range [][]int32{other, prompt(400)} {
		p := c.Announce(Root{}, tokens)
		s := p.Match().Take()
		if s.Pos() < 299 {
			t.Errorf("%d tokens were found", s.Pos())
		}
		s.Free()
		p.Retire()
	}
	c.end(t)
	again := openTest(t, dir, DiskOptions{Model: [32]byte{1}}, arena)
	if found := again.serve(t, Root{}, other); found != 0 {
		t.Errorf("%d tokens were found after a restart", found)
	}
	again.end(t)
}
