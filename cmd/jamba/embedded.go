package main

import (
	"fmt"
	"io"
)

// introduce says on a terminal which model answers, where none was asked for.
func (f *modelFlag) introduce(w io.Writer) {
	if f.Model == "" && isTerminal(w) {
		fmt.Fprintln(w, "jamba: no -m: this is the small model that comes with the command. It continues stories; it knows nothing.")
	}
}
