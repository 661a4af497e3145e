package main

import (
	"fmt"
	"io"
	"strings"

	"jamba/internal/printable"
	"jamba/model"
)

// warn writes each message as a warning of one line. Messages may hold text from files.
func warn(w io.Writer, messages ...string) {
	const most = 10
	for _, m := range messages[:min(len(messages), most)] {
		fmt.Fprintf(w, "jamba: warning: %s\n", printable.Line(m))
	}
	if n := len(messages) - most; n > 0 {
		fmt.Fprintf(w, "jamba: warning: and %d more of these\n", n)
	}
}

// warnModel tells what is peculiar about an opened model.
func warnModel(w io.Writer, m *model.Model) {
	warn(w, m.Warnings...)
	if n := len(m.Unused); n > 0 {
		const most = 6
		names := make([]string, min(n, most))
		for i := range names {
			names[i] = printable.Cut(m.Unused[i], 64)
		}
		list := strings.Join(names, ", ")
		if n > most {
			list += ", …"
		}
		warn(w, fmt.Sprintf("%d tensors of the checkpoint are not used: %s", n, list))
	}
}
