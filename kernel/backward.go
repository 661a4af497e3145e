package kernel

// backward holds the kernels of one tier that only the backward pass needs.
type backward struct {
	// product and productT are tiles of Product and ProductT.
	product, productT tile
	// scanBackward is ScanBackward of a panel of a chunk of rows.
	scanBackward func(s *ScanBackward, w *scanWork, p, lo, hi int)
	// convBackward is ConvBackward of the channels [lo, hi) of one sequence.
	convBackward func(c *ConvBackward, lo, hi, begin, end int)
	// rmsNormBackward is RMSNormBackward of one row, adding.
	rmsNormBackward func(dx, dweight, dy, x, weight []float32, eps float32)
	// siluMulBackward is SiLUMulBackward of a range.
	siluMulBackward func(dgate, dup, gate, up, dact []float32)
}

var genericBackward = backward{
	product:         productGeneric,
	productT:        productTGeneric,
	scanBackward:    scanBackwardGeneric,
	convBackward:    convBackwardGeneric,
	rmsNormBackward: rmsNormBackwardGeneric,
	siluMulBackward: siluMulBackwardGeneric,
}
