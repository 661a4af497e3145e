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

// TestVEX compares the encoding with that of GNU as.
func TestVEX(t *testing.T) {
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("not compared: there is no GNU as here")
	}
	var source strings.Builder
	var want []byte
	for b := range 16 {
		for a := range 16 {
			for to := range 16 {
				fmt.Fprintf(&source, "{vex} vpdpwssd %%ymm%d, %%ymm%d, %%ymm%d\n", b, a, to)
				code := vexVPDPWSSD(b, a, to)
				want = append(want, code[:]...)
			}
		}
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
	run(source.String(), as, "--64", "-o", object, "-")
	raw := filepath.Join(t.TempDir(), "raw")
	run("", "objcopy", "-O", "binary", "-j", ".text", object, raw)
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		for i := 0; i+5 <= min(len(got), len(want)); i += 5 {
			if !bytes.Equal(got[i:i+5], want[i:i+5]) {
				t.Fatalf("VPDPWSSD Y%d, Y%d, Y%d is % x, but GNU as says % x", i/5>>8, i/5>>4&15, i/5&15, want[i:i+5], got[i:i+5])
			}
		}
		t.Fatalf("%d bytes, but GNU as makes %d", len(want), len(got))
	}
}
