package tensor

import (
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// Tensor is a named, typed, shaped view of bytes, row-major with the last dimension fastest.
// Data may point into mapped memory: it is read-only and lives as long as the file it came from.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte

	Scales *Scales // of a matrix; nil: its values are those of the type
}

// Scales are factors of the blocks of a matrix [N, K], which a grid divides evenly: N/Rows rows and K/Columns columns each.
type Scales struct {
	Rows, Columns int
	Values        []float32 // [Rows, Columns]
	Rounded       DType     // F16 or BF16: products with them are rounded to it; else they stay float32
}

// Numel returns the number of elements of a shape; it is an error if a dimension is negative or the product overflows.
func Numel(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension in shape %v", shape)
		}
		if d != 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v overflows", shape)
		}
		n *= d
	}
	return n, nil
}

// Size returns the bytes that a tensor of this type and shape takes.
// Blocks run along the last dimension, which has to be a multiple of the block.
func Size(d DType, shape []int) (int, error) {
	last := 1
	if len(shape) > 0 {
		last = shape[len(shape)-1]
	}
	row, err := d.RowBytes(last)
	if err != nil {
		return 0, err
	}
	n, err := Numel(shape)
	if err != nil || n == 0 {
		return 0, err
	}
	rows := n / last
	if row != 0 && rows > math.MaxInt/row {
		return 0, fmt.Errorf("shape %v overflows", shape)
	}
	return rows * row, nil
}

// New returns a tensor over data after checking that data has exactly the size that type and shape ask for.
func New(name string, d DType, shape []int, data []byte) (Tensor, error) {
	size, err := Size(d, shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("%s: %w", name, err)
	}
	if size != len(data) {
		return Tensor{}, fmt.Errorf("%s: %v %v takes %d bytes, has %d", name, d, shape, size, len(data))
	}
	return Tensor{Name: name, DType: d, Shape: slices.Clone(shape), Data: data}, nil
}

// Numel returns the number of elements of t.
func (t Tensor) Numel() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Index returns the i-th sub-tensor along the first dimension: row i of a matrix, matrix i of a stack.
// It shares t's bytes. It panics if t has scales.
func (t Tensor) Index(i int) Tensor {
	t.plain()
	n := len(t.Data) / t.Shape[0]
	return Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape[1:], Data: t.Data[i*n : (i+1)*n : (i+1)*n]}
}

// Slice returns the sub-tensor [lo, hi) along the first dimension. It shares t's bytes. It panics if t has scales.
func (t Tensor) Slice(lo, hi int) Tensor {
	t.plain()
	n := len(t.Data) / t.Shape[0]
	shape := slices.Clone(t.Shape)
	shape[0] = hi - lo
	return Tensor{Name: t.Name, DType: t.DType, Shape: shape, Data: t.Data[lo*n : hi*n : hi*n]}
}

func (t Tensor) plain() {
	if t.Scales != nil {
		panic("tensor: a part of " + t.Name + " would lose its scales")
	}
}

// Reshape returns a view of t with another shape of the same number of elements and, for block formats, the same last dimension.
// A matrix with scales stays as it is.
func (t Tensor) Reshape(shape ...int) (Tensor, error) {
	if t.Scales != nil && !slices.Equal(shape, t.Shape) {
		return Tensor{}, fmt.Errorf("%s: %v with scales cannot become %v", t.Name, t.Shape, shape)
	}
	scales := t.Scales
	t, err := New(t.Name, t.DType, shape, t.Data)
	t.Scales = scales
	return t, err
}

// Float32s returns t's bytes as float32 without a copy, and whether that is possible:
// t is F32, aligned to four bytes, and this machine is little-endian as the files are.
func (t Tensor) Float32s() ([]float32, bool) {
	if t.DType != F32 || !littleEndian {
		return nil, false
	}
	if len(t.Data) == 0 {
		return nil, true
	}
	p := unsafe.Pointer(unsafe.SliceData(t.Data))
	if uintptr(p)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), len(t.Data)/4), true
}

var littleEndian = func() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}()

// Bytes returns f's memory as bytes, without a copy, in this machine's byte order.
func Bytes(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}

// FromFloat32s returns an F32 tensor over f's memory. It panics if the shape does not have len(f) elements.
func FromFloat32s(name string, f []float32, shape ...int) Tensor {
	t, err := New(name, F32, shape, Bytes(f))
	if err != nil {
		panic(err)
	}
	return t
}
