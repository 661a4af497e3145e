package arm64

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEncodings compares the code of all instructions, with all registers and many numbers, with that of GNU as.
func TestEncodings(t *testing.T) {
	as, err := exec.LookPath("aarch64-linux-gnu-as")
	if err != nil {
		t.Skip("not compared: there is no aarch64-linux-gnu-as here (Debian: binutils-aarch64-linux-gnu)")
	}
	numbers := map[string][]int{
		"ldr q?, [x?, #]": {0, 16, 480, 65520}, "str q?, [x?, #]": {0, 16, 480, 65520},
		"ldr d?, [x?, #]": {0, 8, 32760}, "str d?, [x?, #]": {0, 8, 32760},
		"ldr s?, [x?, #]": {0, 4, 16380}, "str s?, [x?, #]": {0, 4, 16380}, "str h?, [x?, #]": {0, 2, 8190},
		"movi v?.16b, #": {0, 15, 0x80, 0xA5, 255}, "ext v?.16b, v?.16b, v?.16b, #": {0, 8, 15},
		"shl v?.4s, v?.4s, #": {0, 8, 23, 31}, "sdot v?.4s, v?.16b, v?.4b[#]": {0, 1, 2, 3},
	}
	var source strings.Builder
	var want []uint32
	var lines []string
	for _, form := range slices.Sorted(maps.Keys(encodings)) {
		all := numbers[form]
		if encodings[form].number == nil {
			all = []int{0}
		} else if len(all) == 0 {
			t.Errorf("%s: no numbers to compare", form)
		}
		for _, n := range all {
			registers := 32
			if strings.ContainsAny(form, "wx") {
				registers = 31 // R31 is none
			}
			for r := range registers {
				var operands []any
				for i := range strings.Count(form, "?") {
					operands = append(operands, V((r*(i+1)+i*5)%registers))
				}
				if encodings[form].number != nil {
					operands = append(operands, n)
				}
				code, text := assemble(form, operands...)
				fmt.Fprintln(&source, text)
				want, lines = append(want, code), append(lines, text)
			}
		}
	}
	object, raw := filepath.Join(t.TempDir(), "a.o"), filepath.Join(t.TempDir(), "raw")
	run := func(args ...string) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(source.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %.500s", args, err, out)
		}
	}
	run(as, "-march=armv8.6-a", "-o", object, "-")
	run("aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", object, raw)
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4*len(want) {
		t.Fatalf("GNU as makes %d bytes of %d instructions", len(got), len(want))
	}
	for i, code := range want {
		if g := binary.LittleEndian.Uint32(got[4*i:]); g != code {
			t.Errorf("%s is %08x, but GNU as says %08x", lines[i], code, g)
		}
	}
}
