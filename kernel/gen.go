package kernel

//go:generate go run -C ../tools ./kernelgen -pkg kernel -out ../kernel/avx2_amd64.s -stubs ../kernel/avx2_amd64.go
