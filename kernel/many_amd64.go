package kernel

var manyAVX2 = manyTiles{tile: dotManyAVX2, pack: packManyAVX2Rows, block: kBlock}

var dotManyTiles = [productRows + 1]func(dst *float32, ldd int, x *float32, ldx int, w *float32, k int, sums *float32, add bool){
	1: dotManyx1, 2: dotManyx2, 3: dotManyx3, 4: dotManyx4, 5: dotManyx5, 6: dotManyx6,
}

func dotManyAVX2(dst []float32, ldd int, x []float32, ldx int, panel []float32, m, k int, sums []float32, add bool) {
	dst, x, panel, sums = dst[:(m-1)*ldd+productColumns], x[:(m-1)*ldx+k], panel[:manyPanel(k)], sums[:manySums]
	dotManyTiles[m](&dst[0], ldd, &x[0], ldx, &panel[0], k, &sums[0], add)
}

func packManyAVX2Rows(panel, w []float32, ldw, rows, k int) {
	const half = productColumns / 2
	each := len(panel) / 8
	for c := 0; c < rows; c += half {
		whole := 0 // of k, for which there are eight rows
		if rows-c >= half && k >= 8 {
			whole = k &^ 7
			src := w[c*ldw : (c+half-1)*ldw+whole]
			packManyAVX2(&panel[c], each, &src[0], ldw, whole/8)
		}
		for r := c; r < min(c+half, rows); r++ {
			for i := whole; i < k; i++ {
				panel[i%8*each+i/8*productColumns+r] = w[r*ldw+i]
			}
		}
	}
}
