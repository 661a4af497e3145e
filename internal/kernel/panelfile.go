package kernel

import (
	"fmt"
	"io"

	"jamba/tensor"
)

// PanelVersion is the version of the layout of packed matrices, as PanelWriter writes it and FromPanels reads it.
const PanelVersion = 3

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
	p, err := newPanels(d, rows, n, k)
	if err != nil {
		return 0, err
	}
	return p.size(), nil
}

// FromPanels returns the matrix [n, k] of type d over memory, panels of that many rows as a PanelWriter wrote them: it has
// to stay valid and is only read. Row gives the exact weights; products read them back row by row, slowly, until Pack
// has them use the panels. Bytes are those of the type. It is an error if memory has another size than PanelBytes; what
// is in it cannot do harm.
func FromPanels(d tensor.DType, rows, n, k int, memory []byte) (Matrix, error) {
	p, err := newPanels(d, rows, n, k)
	if err != nil {
		return Matrix{}, err
	}
	if size := p.size(); len(memory) != size {
		return Matrix{}, fmt.Errorf("%d bytes of panels, want %d for %v [%d, %d] in panels of %d rows", len(memory), size, d, n, k, rows)
	}
	plain, err := tensor.Size(d, []int{n, k})
	if err != nil {
		return Matrix{}, err
	}
	p.place(memory)
	return Matrix{N: n, K: k, DType: d, size: plain, weights: p}, nil
}

// PanelWriter packs rows of weights and writes them on. It has memory for one packed matrix.
type PanelWriter struct {
	w        io.Writer
	p        *panels
	rowBytes int
	next     int // row of the matrix
}

// NewPanelWriter returns a writer that takes the rows of matrices [n, k] of type d, one matrix after the other, and
// writes each to w, once it is whole, in panels of that many rows; they take PanelBytes. Errors are those of PanelBytes.
func NewPanelWriter(w io.Writer, d tensor.DType, rows, n, k int) (*PanelWriter, error) {
	p, err := newPanels(d, rows, n, k)
	if err != nil {
		return nil, err
	}
	rowBytes, err := d.RowBytes(k)
	if err != nil {
		return nil, err
	}
	p.place(make([]byte, p.size()))
	return &PanelWriter{w: w, p: p, rowBytes: rowBytes}, nil
}

// Write takes any number of whole rows.
func (w *PanelWriter) Write(rows []byte) (int, error) {
	if len(rows)%w.rowBytes != 0 {
		return 0, fmt.Errorf("%d bytes are no whole rows of %d", len(rows), w.rowBytes)
	}
	for rest := rows; len(rest) > 0; {
		count := min(len(rest)/w.rowBytes, w.p.n-w.next)
		w.p.fill(w.next, rest[:count*w.rowBytes])
		rest = rest[count*w.rowBytes:]
		if w.next += count; w.next < w.p.n {
			continue
		}
		// Rows that fill up the last panel stay zeroes for the next matrix.
		w.next = 0
		if _, err := w.w.Write(w.p.memory); err != nil {
			return len(rows) - len(rest), err
		}
	}
	return len(rows), nil
}
