package quant

import (
	_ "embed"
	"math/bits"
	"sync"
)

// gridPoints are the points of the grids of the IQ formats: for each, in the order of the fields of grids, so many numbers
// of two bits, or of three in halves of a byte. testdata/make_grids.py writes them; they belong to the formats.
//
//go:embed grids.bin
var gridPoints []byte

// grids are the tables that the IQ formats look groups of eight or of four numbers up in, a byte each.
type grids struct {
	iq2xxs [256]uint64
	iq2xs  [512]uint64
	iq2s   [1024]uint64
	iq1    [4096]uint64 // eight times the number, plus one; from 2048 on less one
	iq3xxs [256]uint32
	iq3s   [512]uint32
	// negate has all bits of those bytes set whose bit is set in the index.
	negate [256]uint64
}

var gridsOf = sync.OnceValue(func() *grids {
	g, rest := new(grids), gridPoints
	eights := func(dst []uint64, values [3]int8) {
		for i := range dst {
			for j := range 8 {
				dst[i] |= uint64(byte(values[rest[2*i+j/4]>>(j%4*2)&3])) << (8 * j)
			}
		}
		rest = rest[2*len(dst):]
	}
	fours := func(dst []uint32, values [8]byte) {
		for i := range dst {
			for j := range 4 {
				dst[i] |= uint32(values[rest[2*i+j/2]>>(j%2*4)&7]) << (8 * j)
			}
		}
		rest = rest[2*len(dst):]
	}
	two := [3]int8{8, 25, 43}
	eights(g.iq2xxs[:], two)
	eights(g.iq2xs[:], two)
	eights(g.iq2s[:], two)
	one := rest
	eights(g.iq1[:2048], [3]int8{-8 + 1, 1, 8 + 1})
	after := rest
	rest = one
	eights(g.iq1[2048:], [3]int8{-8 - 1, -1, 8 - 1})
	rest = after
	fours(g.iq3xxs[:], [8]byte{4, 12, 20, 28, 36, 44, 52, 62})
	fours(g.iq3s[:], [8]byte{1, 3, 5, 7, 9, 11, 13, 15})
	for i := range g.negate {
		for j := range 8 {
			g.negate[i] |= uint64(i>>j&1) * 0xFF << (8 * j)
		}
	}
	return g
})

// signed negates those of eight positive numbers whose bit is set in signs.
func (g *grids) signed(q uint64, signs byte) uint64 {
	m := g.negate[signs]
	return (q ^ m) + m&every(1) // no byte of q is 0, so that none overflows
}

// sevenSigns returns eight signs of which seven are stored: their number is even.
func sevenSigns(s uint32) byte { return byte(s&127 | uint32(bits.OnesCount32(s&127)&1)<<7) }
