package quant

import "math"

// IQ4_NL: as Q4_0, but the numbers of 4 bits stand for 16 values of a table, closer to each other around zero. A value is
// d·table[q].
// IQ4_XS: a scale d, F16, the upper two bits of the scales s of 8 sub-blocks of 32 values in 2 bytes, their lower four in
// 4, then 256 numbers of 4 bits in 128 bytes, of each 16 bytes first the lower halves. A value is (d·(s−32))·table[q].
// MXFP4: a power of two, e, as a byte, then as IQ4_NL with the values of a float of four bits. A value is
// 2^(e−128)·table[q], where the table has them twice as large. It is OCP's microscaling format.

var (
	tableIQ4   = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	tableMXFP4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

func splitIQ4_NL(n *Numbers, src []byte) {
	b := (*[18]byte)(src)
	d := F16ToF32(le.Uint16(b[:]))
	n.Scale[0], n.Scale[1] = d, d
	lookUp((*[32]byte)(n.Q[:]), &tableIQ4, (*[16]byte)(b[2:]))
}

func splitIQ4_XS(n *Numbers, src []byte) {
	b := (*[136]byte)(src)
	d, high := F16ToF32(le.Uint16(b[:])), le.Uint16(b[2:])
	for i := range 8 {
		s := int(b[4+i/2]>>(i%2*4)&15) | int(high>>(2*i)&3)<<4
		scale := d * float32(s-32)
		n.Scale[2*i], n.Scale[2*i+1] = scale, scale
		lookUp((*[32]byte)(n.Q[32*i:]), &tableIQ4, (*[16]byte)(b[8+16*i:]))
	}
}

func splitMXFP4(n *Numbers, src []byte) {
	b := (*[17]byte)(src)
	bits := uint32(b[0]-1) << 23
	if b[0] < 2 {
		bits = 0x200000 << b[0] // below the normal numbers
	}
	d := math.Float32frombits(bits)
	n.Scale[0], n.Scale[1] = d, d
	lookUp((*[32]byte)(n.Q[:]), &tableMXFP4, (*[16]byte)(b[1:]))
}

// lookUp stores what the lower halves of the bytes stand for, then what the upper do.
func lookUp(q *[32]byte, table *[16]int8, src *[16]byte) {
	for i, v := range src {
		q[i], q[i+16] = byte(table[v&15]), byte(table[v>>4])
	}
}
