package kernel

import "runtime"

// The functions below do nothing but keep the processor at a limit, one thread each: benchmarks time them, to give
// their figures as fractions of what the machine can do at that moment.

// Read reads all of b, less a rest of under 256 bytes.
func Read(b []byte) { active.limits.read(b[:len(b)&^255]) }

// PeakF32 does n float32 multiply-adds, rounded to what a round of the loop does, and returns their number.
func PeakF32(n int) int { return active.limits.f32(n) }

// PeakI8 does n multiply-adds of integers as products with 8-bit weights do them, rounded likewise, and returns
// their number; 0 if the tier has no such products.
func PeakI8(n int) int { return peak(active.limits.i8, n) }

// PeakTileI8 is PeakI8 of products of 8 by 8 bits on tile units; 0 if there are none.
func PeakTileI8(n int) int { return peak(active.limits.tileI8, n) }

// PeakTileBF16 is PeakTileI8 of BF16.
func PeakTileBF16(n int) int { return peak(active.limits.tileBF16, n) }

func peak(loop func(n int) int, n int) int {
	if loop == nil {
		return 0
	}
	return loop(n)
}

// limits are the loops of a tier.
type limits struct {
	read func(b []byte)
	f32  func(n int) int
	i8   func(n int) int
	// Of tile units; nil: there are none.
	tileI8, tileBF16 func(n int) int
}

var genericLimits = limits{
	read: func(b []byte) {
		sum := byte(0)
		for _, v := range b {
			sum ^= v
		}
		runtime.KeepAlive(sum)
	},
	f32: func(n int) int {
		var s0, s1, s2, s3 float32
		for range n / 4 {
			s0 += s0 * s1
			s1 += s1 * s2
			s2 += s2 * s3
			s3 += s3 * s0
		}
		runtime.KeepAlive(s0 + s1 + s2 + s3)
		return n &^ 3
	},
}

// readSome reads some bytes at a time: a call has to end soon.
func readSome(b []byte, read func(p *byte, n int) byte) {
	const atOnce = 1 << 18
	for ; len(b) > 0; b = b[min(len(b), atOnce):] {
		read(&b[0], min(len(b), atOnce))
	}
}

// rounds runs a loop of n multiply-adds, each round of which does per.
func rounds(n, per int, loop func(rounds int)) int {
	const atOnce = 1 << 15 // a call has to end soon
	for done := 0; ; done += atOnce {
		if left := n/per - done; left > atOnce {
			loop(atOnce)
		} else {
			loop(max(1, left))
			return (done + max(1, left)) * per
		}
	}
}
