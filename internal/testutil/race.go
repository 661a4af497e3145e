package testutil

import "testing"

// SkipRace leaves a test out under the race detector, where all is several times slower, and says why: that nothing can be found in it
// there, or that it can in others.
func SkipRace(t testing.TB, why string) {
	t.Helper()
	if Race {
		t.Skip(why, ": left out under the race detector")
	}
}

// Reasons that several tests have.
const (
	Bounds       = "bounds of time and memory say nothing"
	OneGoroutine = "there is one goroutine"
	SameSharing  = "other tests share the same between goroutines"
)
