// Package train is the mathematics of training: from batches of token ids to gradients and new weights. It knows no
// files.
//
// There is one forward pass, that of package model, which keeps what is needed on a model.Tape; this package walks the
// tape back, layer by layer. Each layer has a forward function there and its backward pair here, in a file of the same
// name, written by hand. Gradients have the shape, the order and the names of the model's parameters.
//
// All sums are split by output or in fixed blocks: a step gives the same weights, bit for bit, on any number of threads.
package train
