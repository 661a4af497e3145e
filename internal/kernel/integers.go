package kernel

// integers is how the integers of weights lie in a panel, in blocks of 32 columns by R rows.
type integers interface {
	// bits of an integer.
	bits() int
	// put stores the 32 integers q of row r in its block.
	put(block []byte, rows, r int, q []int8)
	// get fetches them, as float32, to dst [32].
	get(dst []float32, block []byte, rows, r int)
}

// int8Pairs are signed integers of 8 bits, [16, R, 2]: pairs of columns of each row.
type int8Pairs struct{}

func (int8Pairs) bits() int { return 8 }

func (int8Pairs) put(block []byte, rows, r int, q []int8) {
	for j := range 16 {
		pair := block[(j*rows+r)*2:][:2]
		pair[0], pair[1] = byte(q[2*j]), byte(q[2*j+1])
	}
}

func (int8Pairs) get(dst []float32, block []byte, rows, r int) {
	for j := range 16 {
		pair := block[(j*rows+r)*2:][:2]
		dst[2*j], dst[2*j+1] = float32(int8(pair[0])), float32(int8(pair[1]))
	}
}

// int8Fours are integers of 8 bits with 128 added, [8, R, 4]: four columns of each row. Processors multiply bytes without a sign
// by such with one.
type int8Fours struct{}

func (int8Fours) bits() int { return 8 }

func (int8Fours) put(block []byte, rows, r int, q []int8) {
	for j := range 8 {
		four := block[(j*rows+r)*4:][:4]
		for i := range four {
			four[i] = byte(q[4*j+i]) ^ 128
		}
	}
}

func (int8Fours) get(dst []float32, block []byte, rows, r int) {
	for j := range 8 {
		for i, q := range block[(j*rows+r)*4:][:4] {
			dst[4*j+i] = float32(int8(q ^ 128))
		}
	}
}

// int4Pairs are integers of 4 bits, [8, R, 2]: a byte of pair j has a column of pair j in its lower half and one of pair
// 8+j in its upper.
type int4Pairs struct{}

func (int4Pairs) bits() int { return 4 }

func (int4Pairs) put(block []byte, rows, r int, q []int8) {
	for j := range 8 {
		pair := block[(j*rows+r)*2:][:2]
		pair[0], pair[1] = byte(q[2*j]|q[16+2*j]<<4), byte(q[2*j+1]|q[17+2*j]<<4)
	}
}

func (int4Pairs) get(dst []float32, block []byte, rows, r int) {
	for j := range 8 {
		pair := block[(j*rows+r)*2:][:2]
		dst[2*j], dst[2*j+1] = float32(pair[0]&15), float32(pair[1]&15)
		dst[16+2*j], dst[17+2*j] = float32(pair[0]>>4), float32(pair[1]>>4)
	}
}

// int4Fours are integers of 4 bits, [4, R, 4]: a byte of four j has a column of four j in its lower half and one of four 4+j
// in its upper.
type int4Fours struct{}

func (int4Fours) bits() int { return 4 }

func (int4Fours) put(block []byte, rows, r int, q []int8) {
	for j := range 4 {
		four := block[(j*rows+r)*4:][:4]
		for i := range four {
			four[i] = byte(q[4*j+i] | q[16+4*j+i]<<4)
		}
	}
}

func (int4Fours) get(dst []float32, block []byte, rows, r int) {
	for j := range 4 {
		for i, q := range block[(j*rows+r)*4:][:4] {
			dst[4*j+i], dst[16+4*j+i] = float32(q&15), float32(q>>4)
		}
	}
}

// int6Fours are integers of 6 bits with a sign, to which 32 was added, [2, 3, R, 4] for each 16 columns: a byte of the i-th of
// three vectors has a column of four i in its lower six bits, and in its upper two the i-th two bits of one of the last four.
type int6Fours struct{}

func (int6Fours) bits() int { return 6 }

func (int6Fours) put(block []byte, rows, r int, q []int8) {
	for j := range 6 {
		four, own, last := block[(j*rows+r)*4:][:4], q[j/3*16+j%3*4:], q[j/3*16+12:]
		for i := range four {
			four[i] = byte(own[i]+32) | byte(last[i]+32)>>(j%3*2)<<6
		}
	}
}

func (int6Fours) get(dst []float32, block []byte, rows, r int) {
	for half := range 2 {
		to := dst[16*half:]
		var last [4]byte
		for j := range 3 {
			for i, b := range block[((3*half+j)*rows+r)*4:][:4] {
				to[4*j+i] = float32(int8(b&63) - 32)
				last[i] |= b >> 6 << (2 * j)
			}
		}
		for i, b := range last {
			to[12+i] = float32(int8(b) - 32)
		}
	}
}

// int5Fours are integers of 5 bits, [5, R, 4]: a byte of the i-th of five vectors has a column of four i in its lower five bits.
// Its upper three are the lower three bits of one of the fours 5, 6 and 7, then the upper two of four 5 and the fourth bit of
// four 7, and the upper two of four 6 and the fifth bit of four 7.
type int5Fours struct{}

func (int5Fours) bits() int { return 5 }

func (int5Fours) put(block []byte, rows, r int, q []int8) {
	for i := range 4 {
		five, six, seven := byte(q[20+i]), byte(q[24+i]), byte(q[28+i])
		for j, upper := range [5]byte{five & 7, six & 7, seven & 7, five>>3 | seven>>3&1<<2, six>>3 | seven>>4<<2} {
			block[(j*rows+r)*4+i] = byte(q[4*j+i]) | upper<<5
		}
	}
}

func (int5Fours) get(dst []float32, block []byte, rows, r int) {
	for i := range 4 {
		var upper [5]byte
		for j := range upper {
			b := block[(j*rows+r)*4+i]
			dst[4*j+i], upper[j] = float32(b&31), b>>5
		}
		dst[20+i] = float32(upper[0] | upper[3]&3<<3)
		dst[24+i] = float32(upper[1] | upper[4]&3<<3)
		dst[28+i] = float32(upper[2] | upper[3]>>2<<3 | upper[4]>>2<<4)
	}
}
