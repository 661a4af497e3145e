// Package kernel is the arithmetic of the model: slices in, slices out.
//
// Letters in the comments follow the papers: M rows (tokens), K the summed dimension, N outputs, L length of a
// sequence, E inner channels of a Mamba layer (d_inner), S its state size (d_state), R the rank of dt, W the width of
// the convolution (d_conv), H query heads, G key/value heads, D head dimension. All matrices are row-major.
//
// Every kernel has a generic twin in plain Go, compiled on every platform, which says what the kernel computes; a tier
// of faster kernels may replace entries of the table in table.go and is tested against it.
//
// Two rules hold in every tier. A kernel that is handed slices of the wrong length panics: shapes are checked where
// untrusted bytes enter, in packages format and model. And the order in which an output element is summed depends
// neither on the number of rows, nor on the chunking of a sequence, nor on the threads: work is split by output,
// attention walks fixed tiles at absolute positions. So prefill, single steps and batches agree bit for bit.
package kernel
