package model

import (
	"testing"
)

// TestPairs asserts that rows half a head apart and in pairs are permutations of each other, head by head.
func TestPairs(t *testing.T) {
	got := []int{}
	for i := range 12 {
		got = append(got, HalvesRow(i, 6))
	}
	for i, want := range []int{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11} {
		if got[i] != want {
			t.Fatalf("rows %v", got)
		}
	}
}
