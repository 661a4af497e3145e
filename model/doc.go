// Package model is the network: embedding, a schedule of blocks, final norm and head.
//
// A Model is weights and never changes. A state.State is what one sequence remembers. A Pass is the working memory of
// one forward pass after another. One Model serves many States and many Passes at once.
//
// block.go tells what a block is. config.go says which blocks a model has; hf.go and gguf.go read that from a
// checkpoint, names.go maps the tensors' names, load.go fetches and checks them.
package model
