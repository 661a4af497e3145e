package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"jamba/internal/printable"
	"jamba/internal/testutil"
)

// A hostileCase is a command on files that somebody made to take all time or memory, to crash the program or to steer the
// terminal. The command runs in a folder of its own, in which m is a small model with its tokenizer, m.gguf and m.native
// are files made from it, base is a model and adapter an adapter for it, docs.txt and talks.jsonl are training data,
// model.yaml is a recipe and request.json a conversation. files are put there first, in place of what is there. A last word
// after < is the standard input.
type hostileCase struct {
	name  string
	files map[string]filler
	run   string
	want  verdict
}

// verdict is what has to come of it.
type verdict int

const (
	refused verdict = iota // an error
	works                  // exit status 0
	either
)

// A filler makes the file at a path.
type filler func(path string) error

func content(s string) filler {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}
func raw(b []byte) filler   { return content(string(b)) }
func link(to string) filler { return func(path string) error { return os.Symlink(to, path) } }

// fat is text made when it is needed: the table itself is small.
func fat(f func() string) filler {
	return func(path string) error { return os.WriteFile(path, []byte(f()), 0o600) }
}

// sparse is a file of a size that takes no room on the disk.
func sparse(size int64) filler {
	return func(path string) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, size)
	}
}

// strange are files that are no files, or hold nothing of use, whatever stands in their place.
func strange(seed uint64) map[string]filler {
	noise := make([]byte, 5000)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	return map[string]filler{
		"a pipe":            func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"an endless device": link("/dev/zero"),
		"a folder":          func(path string) error { return os.Mkdir(path, 0o700) },
		"a dangling link":   link("nowhere"),
		"a link to itself":  func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"empty":             content(""),
		"noise":             raw(noise),
		"zeros":             raw(make([]byte, 100000)),
		"deep":              fat(func() string { return strings.Repeat("[", 1000000) }),
		"deep objects":      fat(func() string { return strings.Repeat(`{"a":`, 200000) }),
		"lfs":               content("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 123456\n"),
	}
}

// escapes would colour, clear and retitle a terminal, and turn text round.
const escapes = "\x1b[31m\x1b[2J\x1b]0;title\x07\u009b5m\u202e\r\n\x00"

// escapesJSON is escapes as it stands in a JSON string.
var escapesJSON = strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\u009b", `\u009b`, "\u202e", `\u202e`, "\r", `\r`, "\n", `\n`, "\x00", `\u0000`).Replace(escapes)

// long is text that no terminal should get.
func long(n int) string { return strings.Repeat("long ", n/5) }

func hostileCases() []hostileCase {
	return slices.Concat(hostileSpecial(), hostileSettings(), hostileTokenizers(), hostileTemplates(), hostileWeights(),
		hostileModels(), hostileGGUF(), hostileAdapters(), hostileData(), hostileTexts())
}

// TestHostile runs the command on the corpus. Each case has 5 s of processor time on a quiet machine and 256 MiB beside the size of its
// files, and says what is wrong in a line of at most 500 bytes without control characters.
func TestHostile(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	base := hostileBase(t)
	for i, h := range hostileCases() {
		if testing.Short() && i%10 != 0 {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			size := base.lay(t, dir, h.files)
			stdout, stderr, cost := measured(t, dir, strings.Fields(h.run))
			if err := cost.within(size); err != nil {
				t.Errorf("%s: %s: %v", h.name, h.run, err)
			}
			if err := h.want.holds(cost.exit, stderr); err != nil {
				t.Errorf("%s: %s: %v\n%s", h.name, h.run, err, printable.Cut(stderr, 2000))
			}
			if strings.HasPrefix(h.run, "jamba show") && printable.Text(stdout) != stdout {
				t.Errorf("%s: control characters on standard output", h.run)
			}
		})
	}
}

func (v verdict) holds(exit int, stderr string) error {
	switch {
	case exit != 0 && exit != 1 && exit != 2:
		return fmt.Errorf("exit status %d", exit)
	case v == works && exit != 0, v == refused && exit == 0:
		return fmt.Errorf("exit status %d", exit)
	case printable.Text(stderr) != stderr:
		return errors.New("control characters on standard error")
	}
	failures := 0
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	for _, line := range lines {
		if len(line) > 500+len("jamba: warning: ") {
			return fmt.Errorf("a line of %d bytes", len(line))
		}
		if strings.HasPrefix(line, "jamba: ") && !strings.HasPrefix(line, "jamba: warning: ") {
			failures++
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "goroutine ") {
			return errors.New("it died with a trace")
		}
	}
	if len(lines) > 30 || exit != 0 && failures != 1 {
		return fmt.Errorf("%d lines, of which %d are errors", len(lines), failures)
	}
	return nil
}

// cost is what a command took.
type cost struct {
	exit int
	cpu  time.Duration
	peak int64 // resident memory, bytes
}

func (c cost) within(files int64) error {
	if limit := 5 * time.Second; c.cpu > limit {
		if slow := testutil.Slowness(); c.cpu.Seconds() > slow*limit.Seconds() {
			return fmt.Errorf("%v of processor time, want %v at most, or %.1f times as much on this machine", c.cpu.Round(time.Millisecond), limit, slow)
		}
	}
	if most := files + 256<<20; c.peak > most {
		return fmt.Errorf("%d MiB of memory, want %d at most", c.peak>>20, most>>20)
	}
	return nil
}

// reportMemory names the variable that asks the command to write its peak of memory to its fourth stream: what the system
// tells of a child also counts what its parent had before.
const reportMemory = "JAMBA_TEST_MEMORY"

// mainMeasured is the command in tests.
func mainMeasured() {
	status := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if os.Getenv(reportMemory) != "" {
		b, err := os.ReadFile("/proc/self/status")
		if err == nil {
			_, err = os.NewFile(3, "report").Write(b)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "panic: no report:", err)
		}
	}
	os.Exit(status)
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// measured runs a command in dir, of which the first word is the program.
func measured(t *testing.T, dir string, words []string) (stdout, stderr string, c cost) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // others may be at work on this machine
	defer cancel()
	var out, errs, report bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(words); n > 2 && words[n-2] == "<" {
		in, err := os.Open(filepath.Join(dir, words[n-1]))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin, cmd.Args = in, words[:n-2]
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = dir, &out, &errs, []*os.File{w}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "JAMBA_MODEL=") }), reportMemory+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, _ = report.ReadFrom(r)
	r.Close()
	err = cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("%s: %s: hangs", t.Name(), strings.Join(words, " "))
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		c.exit = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if m := peakLine.FindSubmatch(report.Bytes()); m != nil {
		kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
		c.peak = kib << 10
	} else {
		t.Errorf("%s: no report of memory: it did not end by itself: %s", strings.Join(words, " "), printable.Cut(errs.String(), 500))
	}
	return out.String(), errs.String(), c
}

// baseFiles are the files around a case, by their path there.
type baseFiles map[string]string

// hostileBase makes them, once.
func hostileBase(t *testing.T) baseFiles {
	t.Helper()
	golden, err := filepath.Abs(testutil.Golden())
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	b := baseFiles{}
	put := func(name, content string) {
		b[name] = filepath.Join(made, name)
		if err := os.WriteFile(b[name], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		b["m/"+f] = filepath.Join(golden, "e2e", "model", f)
	}
	for _, f := range []string{"config.json", "model.safetensors"} {
		b["base/"+f] = filepath.Join(golden, "models", "llama-tiny", f)
	}
	for _, f := range []string{"adapter_config.json", "adapter_model.safetensors"} {
		b["adapter/"+f] = filepath.Join(golden, "adapters", "llama-tiny.attention", f)
	}
	put("docs.txt", strings.Repeat("The red fox sees a boat by the river.\n\n", 40))
	put("talks.jsonl", strings.Repeat(`{"text": "The old cat meets a queen by the star."}`+"\n", 40))
	put("request.json", `{"messages": [{"role": "user", "content": "Hello"}], "add_generation_prompt": true}`)
	put("model.yaml", "model_type: jamba\nhidden_size: 32\nintermediate_size: 64\nlayers: [mamba + mlp]\ntrain: {steps: 2, batch: 2, seq: 16}\n")
	for name, flags := range map[string][]string{"m.gguf": {"--type", "q8_0"}, "m.native": {"--type", "q8_0", "--layout", "native"}} {
		b[name] = filepath.Join(made, name)
		from := filepath.Join(golden, "e2e", "model")
		if _, stderr, exit := runIn(t, made, append([]string{"jamba", "quantize", from, "-o", name}, flags...)); exit != 0 {
			t.Fatal(stderr)
		}
	}
	return b
}

// lay puts the base and a case's files into dir, and returns the size of all files there.
func (b baseFiles) lay(t *testing.T, dir string, files map[string]filler) int64 {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range b {
		path := filepath.Join(dir, name)
		check(os.MkdirAll(filepath.Dir(path), 0o700))
		if _, replaced := files[name]; !replaced {
			check(os.Symlink(from, path))
		}
	}
	for name, make := range files {
		path := filepath.Join(dir, name)
		check(os.MkdirAll(filepath.Dir(path), 0o700))
		check(make(path))
	}
	size := int64(0)
	check(filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var s syscall.Stat_t
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && syscall.Stat(path, &s) == nil {
			size += min(s.Size, s.Blocks*512) // a sparse file has what it takes on the disk
		}
		return nil
	}))
	return size
}
