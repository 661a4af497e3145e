package kernel

import (
	"fmt"
	"io"

	"jamba/kernel/quant"
	"jamba/tensor"
)

// PanelVersion is the version of the layout of packed matrices, as PanelWriter writes it and FromPanels reads it.
const PanelVersion = 1

// PanelRows returns how many rows lie side by side in the panels of the kernels in use; 0: they have none.
func PanelRows() int {
	if active.pack == nil {
		return 0
	}
	return active.pack.rows
}

// PanelBytes returns the bytes that a matrix [n, k] of type d takes in panels of that many rows. It is an error if the
// type does not lie in panels, if rows are no whole blocks, or if no kernels have such panels.
func PanelBytes(d tensor.DType, rows, n, k int) (int, error) {
	_, size, err := layout(d, rows, n, k)
	return size, err
}

// FromPanels returns the matrix [n, k] of type d over panels of that many rows, as a PanelWriter wrote them: they have
// to stay valid and are only read. Row gives the exact weights; products read them back row by row, slowly, until Pack
// has them use the panels. Bytes are those of the type. It is an error if panels has another size than PanelBytes; what
// is in it cannot do harm.
func FromPanels(d tensor.DType, rows, n, k int, panels []byte) (Matrix, error) {
	p, size, err := layout(d, rows, n, k)
	if err != nil {
		return Matrix{}, err
	}
	if len(panels) != size {
		return Matrix{}, fmt.Errorf("%d bytes of panels, want %d for %v [%d, %d] in panels of %d rows", len(panels), size, d, n, k, rows)
	}
	plain, err := tensor.Size(d, []int{n, k})
	if err != nil {
		return Matrix{}, err
	}
	p.place(panels, k)
	return Matrix{N: n, K: k, DType: d, size: plain, panels: p}, nil
}

// PanelWriter packs rows of weights and writes them on. It has memory for one packed matrix.
type PanelWriter struct {
	w        io.Writer
	p        *packed
	d        tensor.DType
	n, k     int
	rowBytes int
	next     int // row of the matrix
}

// NewPanelWriter returns a writer that takes the rows of matrices [n, k] of type d, one matrix after the other, and
// writes each to w, once it is whole, in panels of that many rows; they take PanelBytes. Errors are those of PanelBytes.
func NewPanelWriter(w io.Writer, d tensor.DType, rows, n, k int) (*PanelWriter, error) {
	p, size, err := layout(d, rows, n, k)
	if err != nil {
		return nil, err
	}
	rowBytes, err := d.RowBytes(k)
	if err != nil {
		return nil, err
	}
	p.place(make([]byte, size), k)
	return &PanelWriter{w: w, p: p, d: d, n: n, k: k, rowBytes: rowBytes}, nil
}

// Write takes any number of whole rows.
func (w *PanelWriter) Write(rows []byte) (int, error) {
	if len(rows)%w.rowBytes != 0 {
		return 0, fmt.Errorf("%d bytes are no whole rows of %d", len(rows), w.rowBytes)
	}
	for rest := rows; len(rest) > 0; {
		count := min(len(rest)/w.rowBytes, w.n-w.next)
		w.p.fill(w.d, w.k, w.next, rest[:count*w.rowBytes])
		rest = rest[count*w.rowBytes:]
		if w.next += count; w.next < w.n {
			continue
		}
		// Rows that fill up the last panel stay zeroes for the next matrix.
		w.next = 0
		if _, err := w.w.Write(w.p.bytes); err != nil {
			return len(rows) - len(rest), err
		}
	}
	return len(rows), nil
}

// row writes row n, with k values, to dst: bit for bit what quant.Dequantize makes of the blocks that were packed.
func (p *packed) row(dst []float32, n, k int) {
	panel, r := n/p.rows, n%p.rows
	size := p.quantBytes(k)
	quants := p.quants[panel*size : (panel+1)*size]
	perBlock := k / p.blocks
	half := func(from []byte, block int) float32 {
		at := ((panel*p.blocks+block)*p.rows + r) * 2
		return quant.F16ToF32(uint16(from[at]) | uint16(from[at+1])<<8)
	}
	var q [32]int8
	for c := range k / 32 {
		p.numbers(&q, quants, c, r)
		for sub := 0; sub < 32; sub += p.sub {
			column := 32*c + sub
			block, scale := column/perBlock, (panel*(k/p.sub)+column/p.sub)*p.rows+r
			d, out, values := half(p.scale, block), dst[column:column+p.sub], q[sub:sub+p.sub]
			switch p.kind {
			case scaleOnly:
				for i, v := range values {
					out[i] = d * float32(v)
				}
			case scaleOffset:
				for i, v := range values {
					out[i] = d * float32(v-8)
				}
			case scaleMin:
				m := half(p.least, block)
				for i, v := range values {
					out[i] = float32(d*float32(v)) + m
				}
			case scaleK6:
				d *= float32(int8(p.sc[scale]))
				for i, v := range values {
					out[i] = d * float32(v)
				}
			case scaleK:
				d *= float32(int8(p.sc[scale]))
				m := half(p.least, block) * float32(-int32(int8(p.mn[scale])))
				for i, v := range values {
					out[i] = float32(d*float32(v)) - m
				}
			}
		}
	}
}

// numbers fetches the integers of row r of a panel in the columns from 32·c on.
func (p *packed) numbers(q *[32]int8, quants []byte, c, r int) {
	at := quants[c*32*p.rows*p.bits/8:][:32*p.rows*p.bits/8]
	if p.bits == 8 {
		for j := range 16 {
			pair := at[(j*p.rows+r)*2:][:2]
			q[2*j], q[2*j+1] = int8(pair[0]), int8(pair[1])
		}
		return
	}
	for j := range 8 {
		pair := at[(j*p.rows+r)*2:][:2]
		q[2*j], q[2*j+1] = int8(pair[0]&15), int8(pair[1]&15)
		q[16+2*j], q[17+2*j] = int8(pair[0]>>4), int8(pair[1]>>4)
	}
}
