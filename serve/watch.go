package serve

import (
	"os"
	"slices"
	"time"
)

// watch tells when files have changed.
type watch struct {
	paths  []string
	looked time.Time
	stamps []stamp
}

type stamp struct {
	changed time.Time
	size    int64
}

// changed reports whether a file is another than when this was asked last. It looks once a second at most.
func (w *watch) changed() bool {
	now := time.Now()
	if now.Sub(w.looked) < time.Second {
		return false
	}
	w.looked = now
	stamps := make([]stamp, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	same := slices.Equal(stamps, w.stamps)
	w.stamps = stamps
	return !same
}
