package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a function that draws a bar on a terminal while a prompt is computed, once that has taken a second.
func progress(w io.Writer) func(done, total int) {
	draw := bar(w, "reading the prompt")
	if draw == nil {
		return nil
	}
	return func(done, total int) { draw(int64(done), int64(total)) }
}

// loading is the same while weights are made ready.
func loading(w io.Writer) func(done, total int64) {
	return bar(w, "loading", progressbar.OptionShowBytes(true))
}

// bar returns a function that draws a bar of what is done once a second has passed, or nil if w is no terminal.
func bar(w io.Writer, what string, options ...progressbar.Option) func(done, total int64) {
	if !isTerminal(w) {
		return nil
	}
	start := time.Now()
	var b *progressbar.ProgressBar
	return func(done, total int64) {
		if b == nil && done < total && time.Since(start) > time.Second {
			b = progressbar.NewOptions64(total, append(options, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
				progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))...)
		}
		if b == nil {
			return
		}
		// A bar that cannot be drawn is no reason to stop.
		_ = b.Set64(done)
		if done == total {
			_ = b.Finish()
			b = nil
		}
	}
}
