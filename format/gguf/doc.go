// Package gguf reads and writes GGUF files, the single-file checkpoints of llama.cpp and its kin.
//
// A file is a header, a list of key–value pairs (the metadata: hyper-parameters, tokenizer, chat template), a list of
// tensor infos and, from the next multiple of the alignment on, the tensors' bytes:
//
//	"GGUF" version:u32 tensors:u64 pairs:u64
//	pairs   × { key:string type:u32 value }
//	tensors × { name:string dims:u32 dim:u64 × dims type:u32 offset:u64 }
//	padding, then the data; an offset counts from here
//
// A string is a u64 length and that many bytes, an array is an element type, a u64 length and the elements, and all
// numbers are little-endian. Versions 2 and 3 are read, and version 3 is written. Big-endian files are refused.
//
// GGUF lists a tensor's dimensions with the fastest one first. This package reverses them, so that its shapes are
// row-major as everywhere else in this module: a projection from 4096 to 8192 features is [8192 4096].
//
// Files are untrusted: every count, length, type and offset is checked against the file before anything is allocated
// for it. The specification is docs/gguf.md of the ggml project.
package gguf

import "errors"

// ErrNotFound is returned, wrapped, when a metadata key or a tensor is asked for that the file does not have.
// Test for it with errors.Is.
var ErrNotFound = errors.New("not found")
