package kernel

//go:generate go run -C ../tools ./kernelgen avx2 -pkg kernel -out ../kernel/avx2_amd64.s -stubs ../kernel/avx2_amd64.go
//go:generate go run -C ../tools ./kernelgen avxvnni -pkg kernel -out ../kernel/avxvnni_amd64.s -stubs ../kernel/avxvnni_amd64.go
//go:generate go run -C ../tools ./kernelgen avx512 -pkg kernel -out ../kernel/avx512_amd64.s -stubs ../kernel/avx512_amd64.go
//go:generate go run -C ../tools ./kernelgen training -pkg kernel -out ../kernel/training_amd64.s -stubs ../kernel/training_amd64.go
