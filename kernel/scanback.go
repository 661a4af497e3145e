package kernel

// ScanChunk is how many rows of a scan the backward pass takes at a time: it recomputes their states from the one
// before them, so that memory grows with the number of chunks.
const ScanChunk = 32
