package models

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"jamba"
)

// Registry knows models by their names, and which of them are loaded. It is safe for concurrent use.
type Registry struct {
	limits  Limits
	logger  *slog.Logger
	about   func(Model) About
	started time.Time
	entries []*Entry // as they were given, adapters behind their models

	mu      sync.Mutex
	bases   []*base
	queue   []*base // that wait for room, the first next
	clock   int64   // counts requests
	closed  bool
	settled *sync.Cond // a model has been loaded, or closed
}

// Entry is a name: a model, or an adapter on one.
type Entry struct {
	Name, Base string // its own, and that of the model, which is the same if it is no adapter

	base    *base
	dir     string         // of the adapter; "": it is none
	adapter *jamba.Adapter // nil: it is none, or not open
	opening []*Use         // requests that wait for the adapter
}

// base is a model, which is loaded or not.
type base struct {
	Source
	entries []*Entry // itself, and its adapters

	model     Model              // nil: not loaded
	loading   context.CancelFunc // breaks loading off; nil: it is not being loaded
	unloading bool
	leaving   bool // those who ask wait until others, who were before them, had the room
	waiting   []*Use
	users     int           // requests that have it
	asked     int64         // the registry's clock when it was last given
	keep      time.Duration // how long it stays when nobody has it; 0: no time, less: until another needs the room
	rested    time.Time     // since when nobody has it
	idle      *time.Timer
	progress  progress
}

// New returns a Registry of models, whose names differ. about is asked what can be told of a model that has been loaded.
func New(l Limits, log *slog.Logger, about func(Model) About, sources ...Source) *Registry {
	g := &Registry{limits: l, logger: log, about: about, started: time.Now()}
	g.settled = sync.NewCond(&g.mu)
	for _, s := range sources {
		b := &base{Source: s}
		b.entries = []*Entry{{Name: s.Name, Base: s.Name, base: b}}
		for _, a := range s.Adapters {
			b.entries = append(b.entries, &Entry{Name: a.Name, Base: s.Name, base: b, dir: a.Dir})
		}
		if s.opened != nil {
			g.set(b, lent{s.opened})
		}
		g.bases = append(g.bases, b)
		g.entries = append(g.entries, b.entries...)
	}
	return g
}

// set sets the model when it is loaded.
func (g *Registry) set(b *base, m Model) {
	b.model, b.About = m, g.about(m)
	if n := b.About.WeightBytes; n > 0 {
		b.Bytes = n
	}
}

// Find returns what is served under a name. If that is one model alone, it goes by any name.
func (g *Registry) Find(name string) (*Entry, error) {
	if len(g.entries) == 1 {
		return g.entries[0], nil
	}
	return g.Named(name)
}

// Named is Find for the names as they are. Ollama's clients add a tag to them. The error is an UnknownError.
func (g *Registry) Named(name string) (*Entry, error) {
	for _, own := range []string{name, strings.TrimSuffix(name, ":latest")} {
		for _, e := range g.entries {
			if e.Name == own {
				return e, nil
			}
		}
	}
	names := make([]string, len(g.entries))
	for i, e := range g.entries {
		names[i] = e.Name
	}
	return nil, &UnknownError{name, names}
}

// UnknownError is the error of a name that nothing is served under.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no model %.200q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Use is a request's use of a model, from when it asks until it leaves.
type Use struct {
	Entry   *Entry
	Ready   chan struct{} // closed when there is Model or Err
	Model   Model
	Adapter *jamba.Adapter // that Entry is; nil: it is none
	Err     error

	registry *Registry
	state    useState
}

// Progress returns the bytes of the model that are loaded, and how many it has; 0 before that begins.
func (u *Use) Progress() (done, total int64) {
	p := &u.Entry.base.progress
	return p.done.Load(), p.total.Load()
}

type useState int

const (
	waits useState = iota
	has            // the model, which stays loaded
	over
)

// Ask asks for a model. It comes when it is loaded, which Use.Ready tells; Leave has to be called in any case. keep is how long the
// model is to stay loaded when nobody has it any more, less than 0: until another needs the room; nil: as the limits say.
func (g *Registry) Ask(e *Entry, keep *time.Duration) *Use {
	u := &Use{registry: g, Entry: e, Ready: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	b := e.base
	switch {
	case keep != nil:
		b.keep = *keep
	case g.limits.Idle > 0:
		b.keep = g.limits.Idle
	default:
		b.keep = -1
	}
	switch {
	case g.closed:
		u.end(ErrStopping)
	case b.model != nil && !b.leaving:
		g.give(u)
	default:
		if b.waiting = append(b.waiting, u); b.loading == nil && !slices.Contains(g.queue, b) {
			g.queue = append(g.queue, b)
			g.settle()
		}
	}
	return u
}

// Leave ends a use.
func (u *Use) Leave() {
	g, b := u.registry, u.Entry.base
	g.mu.Lock()
	defer g.mu.Unlock()
	switch u.state {
	case waits:
		if b.waiting = slices.DeleteFunc(b.waiting, func(o *Use) bool { return o == u }); len(b.waiting) == 0 && b.loading != nil {
			b.loading()
		}
	case has:
		b.users--
		g.rest(b)
	}
	u.state = over
	g.settle()
}

// end ends a use that gets no model.
func (u *Use) end(err error) {
	u.state, u.Err = over, err
	close(u.Ready)
}

// give gives a loaded model to a request.
func (g *Registry) give(u *Use) {
	b, e := u.Entry.base, u.Entry
	u.state = has
	b.users++
	g.clock++
	b.asked = g.clock
	if b.idle != nil {
		b.idle.Stop()
	}
	if e.dir != "" && e.adapter == nil {
		g.adapt(u)
		return
	}
	u.Model, u.Adapter = b.model, e.adapter
	close(u.Ready)
}

// giveAll gives a loaded model to those that wait for it.
func (g *Registry) giveAll(b *base) {
	waiting := b.waiting
	b.waiting = nil
	for _, u := range waiting {
		g.give(u)
	}
}

// settle loads what is asked for, in its order, as far as there is room. It is called after every change.
func (g *Registry) settle() {
	for _, b := range g.bases {
		b.leaving = false
	}
	for len(g.queue) > 0 {
		b := g.queue[0]
		switch {
		case len(b.waiting) == 0: // they have left
		case b.model != nil:
			g.giveAll(b) // it was to make room, and need not
		case b.unloading || !g.room(b):
			return
		default:
			g.load(b)
		}
		g.queue = g.queue[1:]
	}
}

// room reports whether there is room for a model. If not, others make room: those that nobody has at once, the least recently asked
// for first, then those in use, when they are no longer.
func (g *Registry) room(b *base) bool {
	var n int
	var bytes int64
	var victims []*base
	for _, o := range g.bases {
		if o.model != nil || o.loading != nil || o.unloading {
			n++
			bytes += o.Bytes
		}
		if o.model != nil {
			victims = append(victims, o)
		}
	}
	fits := func() bool {
		return n == 0 || (g.limits.Loaded == 0 || n < g.limits.Loaded) && (g.limits.Bytes == 0 || bytes+b.Bytes <= g.limits.Bytes)
	}
	if fits() {
		return true
	}
	gone := func(o *base) {
		n--
		bytes -= o.Bytes
	}
	for _, o := range g.bases {
		if o.unloading {
			gone(o)
		}
	}
	slices.SortFunc(victims, func(x, y *base) int {
		return cmp.Or(cmp.Compare(min(x.users, 1), min(y.users, 1)), cmp.Compare(x.asked, y.asked))
	})
	for _, o := range victims {
		if fits() {
			break
		}
		gone(o)
		if o.users == 0 {
			g.unload(o)
		} else {
			o.leaving = true
		}
	}
	return false
}

// rest decides what becomes of a loaded model when a request has left it.
func (g *Registry) rest(b *base) {
	if b.users > 0 || b.model == nil {
		return
	}
	b.rested = time.Now()
	switch {
	case b.keep == 0 || g.closed:
		g.unload(b)
	case b.keep > 0:
		asked := b.asked
		b.idle = time.AfterFunc(b.keep, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if b.users == 0 && b.model != nil && b.asked == asked {
				g.log(b).Info("unloading", "idle", b.keep)
				g.unload(b)
			}
		})
	}
}

// Dismiss unloads a model now, or when nobody has it any more.
func (g *Registry) Dismiss(e *Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.base.keep = 0
	g.rest(e.base)
}

// Each calls f with every model that is loaded, and how many adapters there are for it. It must not come back here.
func (g *Registry) Each(f func(name string, m Model, adapters int)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.bases {
		if b.model != nil {
			f(b.Name, b.model, len(b.entries)-1)
		}
	}
}

// Listed is what is told of an entry.
type Listed struct {
	About
	Name    string
	Parent  string // the model that an adapter is for; "": it is none
	Created time.Time
	Loaded  bool
	Until   time.Time // when it is unloaded if nobody asks for it; zero: then it is not
	Waiting int       // requests that wait for the model to be loaded
}

// List returns what there is, in its order.
func (g *Registry) List() []Listed {
	all := make([]Listed, len(g.entries))
	for i, e := range g.entries {
		all[i] = g.Tell(e)
	}
	return all
}

// Tell returns what is told of an entry.
func (g *Registry) Tell(e *Entry) Listed {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := e.base
	l := Listed{About: b.About, Name: e.Name, Created: g.started, Loaded: b.model != nil, Waiting: len(b.waiting)}
	if e.dir != "" {
		l.Parent, l.Loaded = b.Name, e.adapter != nil
	}
	switch {
	case b.keep > 0 && b.users > 0:
		l.Until = time.Now().Add(b.keep)
	case b.keep > 0:
		l.Until = b.rested.Add(b.keep)
	}
	return l
}

// log returns the log, with the name of a model.
func (g *Registry) log(b *base) *slog.Logger { return g.logger.With("model", b.Name) }
