package quant

// Of the formats of two and three bits scales are few bits, too, and coarse: so their neighbours are tried as well, each
// with the numbers that it gives.

// quantizeQ2_K is quantizeQ4_K for two bits.
func quantizeQ2_K(dst []byte, x *[superLen]float32) bool {
	clear(dst[:84])
	switch peak := largest(x[:]); {
	case peak <= tiny:
		return true
	case peak > huge:
		return false
	}
	var scale, minimum [16]float32
	for j := range scale {
		scale[j], minimum[j] = fit(x[16*j:16*j+16], 3, 25)
	}
	d, ok := superScale(dst[80:], largest(scale[:]), 15)
	dmin, okMin := superScale(dst[82:], largest(minimum[:]), 15)
	if !ok || !okMin {
		return false
	}
	id, idmin := inverse(d), inverse(dmin)
	var q [superLen]byte
	for j := range scale {
		s, m := nearby(q[16*j:16*j+16], x[16*j:16*j+16], d, dmin, int32(float32(scale[j]*id)+0.5), int32(float32(minimum[j]*idmin)+0.5))
		dst[j] = byte(s | m<<4)
	}
	packPairs(dst[16:80], &q)
	return true
}

// nearby stores the numbers of 0 to 3 of a sub-block and returns its scale and minimum, multiples of d and dmin up to 15:
// those with the least error among the neighbours of s, and for each of the minimum that is best for the numbers of m.
func nearby(q []byte, x []float32, d, dmin float32, s, m int32) (scale, minimum int32) {
	idmin := inverse(dmin)
	var numbers [16]byte
	try := numbers[:]
	best := float32(-1)
	for i := max(s-1, 0); i <= min(s+1, 15); i++ {
		step := d * float32(i)
		middle := bestMin(try, x, step, dmin, idmin, min(m, 15), 3, 15)
		for j := max(middle-1, 0); j <= min(middle+1, 15); j++ {
			low := dmin * float32(j)
			number(try, x, step, low, 3)
			var e float32
			for k, v := range x {
				off := float32(step*float32(try[k])) - low - v
				e += float32(off * off)
			}
			if best < 0 || e < best {
				best, scale, minimum = e, i, j
				copy(q, try)
			}
		}
	}
	return scale, minimum
}

// packPairs stores numbers of two bits, those 32 apart in one byte.
func packPairs(dst []byte, q *[superLen]byte) {
	for i := range dst {
		at := i/32*128 + i%32
		dst[i] = q[at]&3 | q[at+32]&3<<2 | q[at+64]&3<<4 | q[at+96]&3<<6
	}
}

// quantizeQ3_K is quantizeQ6_K for three bits.
func quantizeQ3_K(dst []byte, x *[superLen]float32) bool {
	clear(dst[:110])
	switch peak := largest(x[:]); {
	case peak <= tiny:
		return true // the scale is zero, whatever the numbers
	case peak > huge:
		return false
	}
	var scale [16]float32
	var peak float32 // the one of the largest magnitude
	for j := range scale {
		scale[j] = fitThree(x[16*j : 16*j+16])
		if abs(scale[j]) > abs(peak) {
			peak = scale[j]
		}
	}
	d, ok := superScale(dst[108:], abs(peak), 32)
	if !ok {
		return false
	}
	if peak > 0 { // the range reaches one step farther below zero
		d = -d
		dst[109] |= 0x80
	}
	id := inverse(d)
	var q [superLen]byte
	for j, v := range scale {
		s := nearbyThree(q[16*j:16*j+16], x[16*j:16*j+16], d, min(max(round(float32(v*id)), -32), 31)) + 32
		dst[96+j%8] |= byte(s&15) << (j / 8 * 4)
		dst[104+j%4] |= byte(s>>4) << (j / 4 * 2)
	}
	packPairs(dst[32:96], &q)
	for i, v := range q {
		dst[i%32] |= v >> 2 << (i / 32)
	}
	return true
}

// nearbyThree stores the numbers of 0 to 7, four more than they mean, of a sub-block and returns its scale, a multiple of d
// from −32 to 31: the one with the least error among the neighbours of s.
func nearbyThree(q []byte, x []float32, d float32, s int32) (scale int32) {
	best := float32(-1)
	var try [16]byte
	for i := max(s-1, -32); i <= min(s+1, 31); i++ {
		step := d * float32(i)
		istep := inverse(step)
		var e float32
		for k, v := range x {
			n := three(v, istep)
			off := float32(step*float32(n)) - v
			e += float32(off * off)
			try[k] = byte(n + 4)
		}
		if best < 0 || e < best {
			best, scale = e, i
			copy(q, try[:])
		}
	}
	return scale
}

// three returns the number of Q3_K, −4 to 3, that is nearest to v·id. What is far from that range is cut off first: a
// conversion would overflow.
func three(v, id float32) int32 {
	const offset = 8
	return int32(min(max(float32(v*id), -4), 3)+(offset+0.5)) - offset
}

// fitThree returns the scale d that makes d·q with whole q of −4 to 3 fit x.
func fitThree(x []float32) (d float32) {
	peak := peakOf(x)
	if abs(peak) <= tiny {
		return 0
	}
	best := float32(-1)
	for i := range 2 * 25 {
		// The farthest value is to become a number of about −4, or of about 3.
		to := float32(0.1*float32(i%25)) - 5.2
		if i >= 25 {
			to = float32(0.1*float32(i%25)) + 2
		}
		id := to / peak
		var sqq int32
		var sxq float32
		for _, v := range x {
			q := three(v, id)
			sqq += q * q
			sxq += float32(v * float32(q))
		}
		best, d = better(best, d, sxq, sqq)
	}
	return d
}
