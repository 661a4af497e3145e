// Package embedded carries a small model. A program that imports it can open the model without any file:
//
//	m, err := jamba.Open(embedded.Model)
//
// The model is a Jamba of 8.8 M parameters that tells stories for children; README.md in this folder says how it was made.
// It makes the program 10 MB larger.
package embedded

import (
	_ "embed"

	"jamba/format/gguf"
)

// Model is the name under which the model is opened. It comes before a file of that name.
const Model = "embedded"

// file is made by scripts/default-model/make.
//
//go:embed model.gguf
var file []byte

func init() { gguf.Embed(Model, file) }
