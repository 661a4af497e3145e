package main

import (
	"os"
	"runtime/debug"
)

// collectEarly has garbage collected when there is a tenth of what is in use, not as much again: a model, and what it remembers or is
// trained with, are few large pieces for a long time, so that collecting costs next to nothing. GOGC overrides it.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(10)
	}
}
