// Package eval measures what a model can do: how well it predicts a text, which of several answers it takes for likely, what it
// answers, and what it finds again in a long context.
//
// An evaluation is a list of items (windows of a text, questions, haystacks), each of which makes one record, whatever the others
// are. A Journal keeps the records, in a file if it has one, so that an evaluation that was interrupted goes on where it was; the
// summary follows from the records alone.
package eval
