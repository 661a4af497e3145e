package kernel

//go:generate go run -C ../../tools ./kernelgen avx2 -pkg kernel -out ../internal/kernel/avx2_amd64.s -stubs ../internal/kernel/avx2_amd64.go
//go:generate go run -C ../../tools ./kernelgen avxvnni -pkg kernel -out ../internal/kernel/avxvnni_amd64.s -stubs ../internal/kernel/avxvnni_amd64.go
//go:generate go run -C ../../tools ./kernelgen avx512 -pkg kernel -out ../internal/kernel/avx512_amd64.s -stubs ../internal/kernel/avx512_amd64.go
//go:generate go run -C ../../tools ./kernelgen amx -pkg kernel -out ../internal/kernel/amx_amd64.s -stubs ../internal/kernel/amx_amd64.go
//go:generate go run -C ../../tools ./kernelgen training -pkg kernel -out ../internal/kernel/training_amd64.s -stubs ../internal/kernel/training_amd64.go
//go:generate go run -C ../../tools ./kernelgen neon -pkg kernel -out ../internal/kernel/neon_arm64.s -stubs ../internal/kernel/neon_arm64.go
