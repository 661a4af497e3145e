// Package model is the network: embedding, a schedule of blocks, final norm and head.
//
// A Model is weights and, once it is ready, never changes. A state.State is what one sequence remembers. A Pass is the working memory of
// one forward pass after another. One Model serves many States and many Passes at once.
//
// config.go says which blocks a model has, block.go what a block is, pass.go runs them. load.go takes the parameters, one by
// one, from a Source: package checkpoint has one for each kind of file.
package model
