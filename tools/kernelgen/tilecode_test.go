package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestTileCode compares the encodings of all tiles and registers with those of GNU as.
func TestTileCode(t *testing.T) {
	var source strings.Builder
	var want [][]byte
	add := func(code []byte, format string, args ...any) {
		fmt.Fprintf(&source, format+"\n", args...)
		want = append(want, code)
	}
	registers := strings.Fields("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15")
	add(tilerelease.tiles(0, 0, 0), "tilerelease")
	for sum := range 8 {
		add(tilezero.tiles(sum, 0, 0), "tilezero %%tmm%d", sum)
		for left := range 8 {
			for right := range 8 {
				if sum == left || sum == right || left == right {
					continue // no such instructions
				}
				for _, o := range []tileOp{tdpbssd, tdpbsud, tdpbusd, tdpbuud, tdpbf16ps} {
					add(o.tiles(sum, left, right), "%s %%tmm%d, %%tmm%d, %%tmm%d", o.name, right, left, sum)
				}
			}
		}
	}
	for base, b := range registers {
		add(ldtilecfg.memory(0, base, -1, 1, 0x12345), "ldtilecfg 0x12345(%%%s,%%riz,1)", b) // riz: no index
		for index, x := range registers {
			if x == "rsp" {
				continue // never an index
			}
			for _, scale := range []int{1, 2, 4, 8} {
				tile := (base + index + scale) % 8
				for _, disp := range []int{0x123, -0x45678} {
					add(tileloadd.memory(tile, base, index, scale, disp), "tileloadd %d(%%%s,%%%s,%d), %%tmm%d", disp, b, x, scale, tile)
					add(tilestored.memory(tile, base, index, scale, disp), "tilestored %%tmm%d, %d(%%%s,%%%s,%d)", tile, disp, b, x, scale)
				}
			}
		}
	}
	sameCode(t, source.String(), want)
}
