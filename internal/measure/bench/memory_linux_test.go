package bench

import "testing"

// TestPeakRSS asserts that memory which is gone does not count, and memory that was in use meanwhile does.
func TestPeakRSS(t *testing.T) {
	if !ResetPeak() {
		t.Skip("the system does not let a process reset its peak")
	}
	before := PeakRSS()
	const n = 64 << 20
	touch := func() {
		memory, free, err := allocate(n)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < n; i += 1 << 12 {
			memory[i] = 1
		}
		free()
	}
	touch()
	if got := PeakRSS() - before; got < n*9/10 {
		t.Errorf("the peak grew by %d bytes, %d were touched", got, n)
	}
	ResetPeak()
	if got := PeakRSS() - before; got > n/2 {
		t.Errorf("%d bytes remain after the reset", got)
	}
}
