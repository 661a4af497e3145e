package prefix

// Stats are counts since the beginning, and what is held now.
type Stats struct {
	Hits     int64          `json:"hits"`
	Misses   [Reasons]int64 `json:"misses"` // by Reason
	Saved    int64          `json:"tokens_saved"`
	Computed int64          `json:"tokens_computed"` // of prompts

	Snapshots int   `json:"snapshots"`
	Bytes     int64 `json:"bytes"`
	Taken     int64 `json:"taken"` // snapshots, those among them that found no room left out
	Evictions int64 `json:"evictions"`

	Disk DiskStats `json:"disk"`
}

// Stats returns the counts. It may be called by any goroutine.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	s := c.stats
	c.mu.Unlock()
	if c.options.Disk != nil {
		s.Disk = c.options.Disk.Stats()
	}
	return s
}

// count changes the counts, if change is set, and brings what is held up to date.
func (c *Cache) count(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if change != nil {
		change(&c.stats)
	}
	c.stats.Snapshots, c.stats.Bytes = len(c.entries), c.held
}

// request counts a request of which pos tokens were found.
func (s *Stats) request(h *Hit, pos int) {
	if pos > 0 {
		s.Hits++
	} else {
		s.Misses[h.Reason]++
	}
	s.Saved += int64(pos)
	s.Computed += int64(len(h.path.tokens) - pos)
}
