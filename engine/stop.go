package engine

import "strings"

// stopper looks for stop strings in text that comes in pieces, and holds back what may yet become one.
type stopper struct {
	stops []string
	held  string
	hit   string // what was found
}

// push takes the next piece. It returns the text that cannot be part of a stop string, and whether one was found: then
// the text ends before it.
func (s *stopper) push(text string) (safe string, found bool) {
	if text == "" {
		return "", false
	}
	s.held += text
	cut := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); stop != "" && i >= 0 && (cut < 0 || i < cut) {
			cut, s.hit = i, stop
		}
	}
	if cut >= 0 {
		safe, s.held = s.held[:cut], ""
		return safe, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	safe = s.held[:len(s.held)-keep]
	s.held = s.held[len(safe):]
	return safe, false
}

// flush returns what was held back, when no more text comes.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
