package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVEX compares encodings with those of GNU as.
func TestVEX(t *testing.T) {
	var source strings.Builder
	var want [][]byte
	for b := range 16 {
		for a := range 16 {
			for to := range 16 {
				for name, opcode := range map[string]byte{"vpdpwssd": vpdpwssd, "vpdpbusd": vpdpbusd} {
					fmt.Fprintf(&source, "{vex} %s %%ymm%d, %%ymm%d, %%ymm%d\n", name, b, a, to)
					code := vexCode(opcode, b, a, to)
					want = append(want, code[:])
				}
			}
		}
	}
	sameCode(t, source.String(), want)
}

// sameCode compares the code of instructions, one in each line, with what GNU as makes of them.
func sameCode(t *testing.T, source string, want [][]byte) {
	t.Helper()
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("not compared: there is no GNU as here")
	}
	object := filepath.Join(t.TempDir(), "a.o")
	run := func(stdin string, args ...string) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("not compared: %v: %v: %.300s", args, err, out)
		}
	}
	run(source, as, "--64", "-mindex-reg", "-o", object, "-")
	raw := filepath.Join(t.TempDir(), "raw")
	run("", "objcopy", "-O", "binary", "-j", ".text", object, raw)
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(source, "\n")
	for i, code := range want {
		if !bytes.HasPrefix(got, code) {
			t.Fatalf("%s is % x, but GNU as says % x", lines[i], code, got[:min(len(got), len(code))])
		}
		got = got[len(code):]
	}
	if len(got) > 0 {
		t.Fatalf("GNU as makes %d bytes more", len(got))
	}
}
