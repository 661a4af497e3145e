package main

import (
	"fmt"
	"io"
	"strings"

	"jamba/checkpoint"
	"jamba/internal/printable"
)

// warn writes each message as a warning of one line. Messages may hold text from files.
func warn(w io.Writer, messages ...string) {
	const shown = 10
	for _, m := range messages[:min(len(messages), shown)] {
		fmt.Fprintf(w, "jamba: warning: %s\n", printable.Line(m))
	}
	if n := len(messages) - shown; n > 0 {
		fmt.Fprintf(w, "jamba: warning: and %d more of these\n", n)
	}
}

// warnModel tells what is peculiar about an opened model.
func warnModel(w io.Writer, c *checkpoint.Checkpoint) {
	warn(w, c.Warnings()...)
	unused := c.Unused()
	if n := len(unused); n > 0 {
		const shown = 6
		names := make([]string, min(n, shown))
		for i := range names {
			names[i] = printable.Cut(unused[i], 64)
		}
		list := strings.Join(names, ", ")
		if n > shown {
			list += ", …"
		}
		warn(w, fmt.Sprintf("%d tensors of the checkpoint are not used: %s", n, list))
	}
}
