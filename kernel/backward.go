package kernel

// backward holds the kernels of one tier that only the backward pass needs.
type backward struct {
	// product and productT are tiles of Product and ProductT.
	product, productT tile
}

var genericBackward = backward{
	product:  productGeneric,
	productT: productTGeneric,
}
