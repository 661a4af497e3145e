package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestRegisters asserts that kernels for processors without AVX-512 use none of its registers: where the others do not suffice
// avo takes them, and the instruction is an illegal one there.
func TestRegisters(t *testing.T) {
	further := regexp.MustCompile(`\t(V\S+|K\S+) .*\b([XY](1[6-9]|2\d|3[01])|Z\d+|K[0-7])\b`)
	for _, set := range []string{"avx2", "avxvnni", "training"} {
		code, err := os.ReadFile(filepath.Join("../../internal/kernel", set+"_amd64.s"))
		if err != nil {
			t.Fatal(err)
		}
		if line := further.Find(code); line != nil {
			t.Errorf("%s: %s", set, line)
		}
	}
}
