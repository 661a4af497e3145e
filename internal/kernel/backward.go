package kernel

// backward holds the kernels of one tier that only the backward pass needs.
type backward struct {
	// product and productT are tiles of Product and ProductT.
	product, productT tile
	// copyPanel copies k rows of src, ldsrc apart, productColumns of each, to dst [k, productColumns].
	copyPanel func(dst, src []float32, ldsrc, k int)
	// gather copies k rows of src, ldsrc apart, tiles·productRows of each, to dst [tiles, k, productRows].
	gather func(dst, src []float32, ldsrc, tiles, k int)
	// scanBackward is ScanBackward of a panel of a chunk of rows.
	scanBackward func(s *ScanBackward, w *scanWork, p, lo, hi int)
	// sumLanes writes the sums of each scanLanes values of lanes to dst.
	sumLanes func(dst, lanes []float32)
	// convBackward is ConvBackward of the channels [lo, hi) of one sequence.
	convBackward func(c *ConvBackward, lo, hi, begin, end int)
	// rmsNormBackward is RMSNormBackward of one row, adding.
	rmsNormBackward func(dx, dweight, dy, x, weight []float32, eps float32)
	// siluMulBackward is SiLUMulBackward of a range.
	siluMulBackward func(dgate, dup, gate, up, dact []float32)
	// adamW is AdamW.Update of a range.
	adamW func(a *AdamW, x, grad, m, v []float32)
}

var genericBackward = backward{
	product:         productGeneric,
	productT:        productTGeneric,
	copyPanel:       copyPanelGeneric,
	gather:          gatherGeneric,
	scanBackward:    scanBackwardGeneric,
	sumLanes:        sumLanesGeneric,
	convBackward:    convBackwardGeneric,
	rmsNormBackward: rmsNormBackwardGeneric,
	siluMulBackward: siluMulBackwardGeneric,
	adamW:           adamWGeneric,
}
