package main

import (
	_ "embed"
	"fmt"
	"io"
)

// embeddedModel is what the command calls the model that it carries.
const embeddedModel = "embedded"

// embeddedFile is made by scripts/default-model/make; embedded/README.md says what it is.
//
//go:embed embedded/model.gguf
var embeddedFile []byte

// introduce says on a terminal which model answers, where none was asked for.
func (f *modelFlag) introduce(w io.Writer) {
	if f.Model == "" && isTerminal(w) {
		fmt.Fprintln(w, "jamba: no -m: this is the small model that comes with the command. It continues stories; it knows nothing.")
	}
}
