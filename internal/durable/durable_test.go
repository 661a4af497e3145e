package durable

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DURABLE_TEST_DIR"); dir != "" {
		saveForEver(dir, os.Getenv("DURABLE_TEST_SAME") != "")
	}
	if dir := os.Getenv("DURABLE_TEST_LOCK"); dir != "" {
		holdForEver(dir)
	}
	os.Exit(m.Run())
}

// filesOfStep are as many as a small checkpoint has.
const filesOfStep = 5

// saveForEver saves states, tells of each, and waits to be killed. They are steps one after the other, or the same again.
func saveForEver(dir string, same bool) {
	n := 0
	if last, path, err := LatestStep(dir); err == nil {
		n = last + 1
		if same {
			if b, err := os.ReadFile(filepath.Join(path, "0")); err == nil {
				n, _ = strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
			}
		}
	}
	for ; ; n++ {
		step := n
		if same {
			step = 7
		}
		if _, err := SaveStep(dir, step, 2, func(dir string) error { return writeFiles(dir, n) }); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

func writeFiles(dir string, step int) error {
	for i := range filesOfStep {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), []byte(strings.Repeat(strconv.Itoa(step)+"\n", 2000)), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles fails unless all files of a step are there and whole.
func checkFiles(t *testing.T, dir string, step int) {
	t.Helper()
	for i := range filesOfStep {
		b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Repeat(strconv.Itoa(step)+"\n", 2000); string(b) != want {
			t.Fatalf("%s: file %d of step %d is not whole", dir, i, step)
		}
	}
}

// A program that is killed at any moment leaves every step whole, and none that it has told of is lost.
func TestSaveStepKilled(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		told := killed(t, dir)
		step, path, err := LatestStep(dir)
		if err != nil {
			t.Fatal(err)
		}
		if step < told {
			t.Fatalf("step %d is the last, but %d was saved", step, told)
		}
		checkFiles(t, path, step)
		all, err := steps(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			checkFiles(t, filepath.Join(dir, s.name), s.step)
		}
		// What the link shows is never more than a step behind, and whole.
		checkLink(t, dir, step)
	}
}

// The same holds for a step that is saved again and again, where folders can be swapped.
func TestSaveAgainKilled(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(os.Mkdir(a, 0o777), os.Mkdir(b, 0o777)); err != nil {
		t.Fatal(err)
	}
	if exchange(a, b) != nil {
		t.Skip("folders cannot be swapped here")
	}
	for range 20 {
		told := killed(t, dir, "DURABLE_TEST_SAME=1")
		step, path, err := LatestStep(dir)
		if err != nil || step != 7 {
			t.Fatal(step, err)
		}
		first, err := os.ReadFile(filepath.Join(path, "0"))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.SplitN(string(first), "\n", 2)[0])
		if err != nil || n < told {
			t.Fatalf("%d is there, but %d was saved; %v", n, told, err)
		}
		checkFiles(t, path, n)
	}
}

// killed runs a program that saves into dir until it is killed, and returns what it told of last.
func killed(t *testing.T, dir string, env ...string) (told int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "DURABLE_TEST_DIR="+dir), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the child did not come up")
	}
	time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	for ok := true; ok; ok = lines.Scan() {
		if told, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return told
}

func checkLink(t *testing.T, dir string, step int) {
	t.Helper()
	name, err := os.Readlink(filepath.Join(dir, latestLink))
	if err != nil {
		t.Skip("no links here")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, stepPrefix))
	if err != nil || n != step && n != step-1 {
		t.Fatalf("latest is %s, the last step is %d", name, step)
	}
	checkFiles(t, filepath.Join(dir, name), n)
}

func TestSaveStep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, _, err := LatestStep(dir); !errors.Is(err, ErrNoStep) {
		t.Fatal(err)
	}
	save := func(step int) {
		t.Helper()
		path, err := SaveStep(dir, step, 2, func(dir string) error { return writeFiles(dir, step) })
		if err != nil {
			t.Fatal(err)
		}
		checkFiles(t, path, step)
	}
	for _, step := range []int{9, 100, 999_999, 1_000_000, 1_000_000} {
		save(step)
	}
	if step, path, err := LatestStep(dir); err != nil || step != 1_000_000 || filepath.Base(path) != "step-1000000" {
		t.Fatal(step, path, err)
	}
	checkLink(t, dir, 1_000_000)
	all, err := steps(dir)
	if err != nil || len(all) != 2 || all[0].step != 999_999 {
		t.Fatal(all, err)
	}

	// What fails leaves nothing, and nothing is lost.
	failure := errors.New("no space")
	if _, err := SaveStep(dir, 2_000_000, 2, func(string) error { return failure }); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "latest step-1000000 step-999999" {
		t.Fatal(got)
	}

	// Going back to an earlier step keeps what was just saved.
	save(5)
	if _, err := os.Stat(filepath.Join(dir, "step-000005")); err != nil {
		t.Fatal(err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(s string, err error) error {
		return WriteFile(path, func(f *os.File) error {
			_, writeErr := f.WriteString(s)
			return errors.Join(writeErr, err)
		})
	}
	if err := write("old", nil); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no space")
	if err := write("half", failure); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Fatal(string(b), err)
	}
	if err := write("new", nil); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "new" {
		t.Fatal(string(b), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Fatal(entries)
	}
}
