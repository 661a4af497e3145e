package model

import "time"

// Profile adds up where forward passes spend their time.
type Profile struct {
	Operations []Operation // in the order in which they first ran
	last       time.Time
}

// Operation is one kind of work, summed over layers and passes.
type Operation struct {
	Name  string        `json:"name"`
	Calls int           `json:"calls"`
	Time  time.Duration `json:"ns"`
	Bytes int64         `json:"bytes"` // that it reads: of weights, in the layout of the kernels, or of keys and values
	MACs  int64         `json:"macs"`  // multiply-adds with weights
}

// lap counts the time since the last lap as an operation that read that many bytes and did that many
// multiply-adds.
func (p *Pass) lap(name string, bytes, macs int) {
	if p.Profile != nil {
		p.Profile.lap(name, bytes, macs)
	}
}

// Lap counts the time since the last lap, or since the pass began, as an operation on what a pass has left.
func (p *Profile) Lap(name string) { p.lap(name, 0, 0) }

func (p *Profile) lap(name string, bytes, macs int) {
	now := time.Now()
	p.add(name, now.Sub(p.last), bytes, macs)
	p.last = now
}

func (p *Profile) add(name string, d time.Duration, bytes, macs int) {
	for i := range p.Operations {
		if o := &p.Operations[i]; o.Name == name {
			o.Calls++
			o.Time += d
			o.Bytes += int64(bytes)
			o.MACs += int64(macs)
			return
		}
	}
	p.Operations = append(p.Operations, Operation{name, 1, d, int64(bytes), int64(macs)})
}
