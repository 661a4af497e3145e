package serve

import (
	"sync"

	"jamba/serve/turn"
)

// prints are kept of requests by the ids of their answers, for later requests that ask what has changed since. The oldest are given
// up.
type prints struct {
	mu    sync.Mutex
	byID  map[string]*turn.Print
	order []string
	parts int // of all
}

// Bounds of what is kept: about 16 MB.
const (
	maxPrints = 4096
	maxParts  = 1 << 18
)

// compare compares a job with the one that it asks for, and keeps its print under the id of its answer.
func (p *prints) compare(id string, j *job) {
	own := turn.PrintOf(j.model.name, j.request.Chat, len(j.prompts[0].IDs))
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := j.request.Compare; c != nil {
		if before := p.byID[c.ID]; before != nil {
			c.Compare(own, before)
		}
	}
	if p.byID == nil {
		p.byID = map[string]*turn.Print{}
	}
	p.byID[id] = own
	p.order = append(p.order, id)
	for p.parts += own.Parts(); len(p.order) > maxPrints || p.parts > maxParts && len(p.order) > 1; p.order = p.order[1:] {
		p.parts -= p.byID[p.order[0]].Parts()
		delete(p.byID, p.order[0])
	}
}
