package testutil

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Slowness is how many times longer a fixed piece of work takes here and now than on a quiet Zen 3 core; at least 1. A test that finds
// more time taken than allowed asks for it, and allows that much more: machines are slow, or shared.
func Slowness() float64 {
	const quiet = 40 * time.Millisecond
	text := []byte("[" + strings.Repeat(`{"a": [1, "text"]}, `, 20000) + "0]")
	var took []time.Duration
	for range 3 {
		start := time.Now()
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			panic(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return max(1, float64(took[1])/float64(quiet))
}
