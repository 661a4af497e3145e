package kernel

var avx2Backward = backward{
	product:         productAVX2,
	productT:        productTAVX2,
	scanBackward:    scanBackwardGeneric,
	convBackward:    convBackwardGeneric,
	rmsNormBackward: rmsNormBackwardGeneric,
	siluMulBackward: siluMulBackwardGeneric,
}

var productTTiles = [productRows + 1]func(dst *float32, ldd int, x *float32, ldx int, w *float32, k int, add bool){
	1: productTx1, 2: productTx2, 3: productTx3, 4: productTx4, 5: productTx5, 6: productTx6,
}

func productAVX2(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	dst, x, w = dst[:(m-1)*ldd+productColumns], x[:(m-1)*ldx+k], w[:k*productColumns]
	gemmTiles[m](&dst[0], ldd, &x[0], ldx, &w[0], productColumns, k, add)
}

func productTAVX2(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	dst, x, w = dst[:(m-1)*ldd+productColumns], x[:(k-1)*ldx+m], w[:k*productColumns]
	productTTiles[m](&dst[0], ldd, &x[0], ldx, &w[0], k, add)
}
