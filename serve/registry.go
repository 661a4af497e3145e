package serve

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"jamba/serve/turn"
)

// Source is a model that can be served. It is loaded when it is first asked for.
type Source struct {
	Name  string
	About About // as far as it is known without loading it
	Bytes int64 // that it is expected to take; 0: unknown
	// Open loads it. progress is told of the bytes that are ready. When ctx ends nobody waits for the model any more: Open should
	// return soon, with an error.
	Open func(ctx context.Context, progress func(done, total int64)) (Model, error)
	// AtStart has it loaded before the server is ready. If that fails, Run does.
	AtStart  bool
	Adapters []Adapter

	opened Model // nil: it has to be
}

// Adapter is a low-rank adapter (LoRA) that is served as a model of its own, computed together with the model that it is for.
type Adapter struct{ Name, Dir string }

// Opened returns a Source of a model that is open already, and remains so.
func Opened(name string, m Model) Source {
	return Source{Name: name, Bytes: m.Info().WeightBytes, Open: func(context.Context, func(done, total int64)) (Model, error) { return lent{m}, nil }, opened: m}
}

// lent is a model that somebody else closes.
type lent struct{ Model }

// Close implements Model.
func (lent) Close() error { return nil }

// Limits bound which models are loaded. One that is in use is never unloaded; those who ask for another wait until there is room.
type Limits struct {
	Loaded int           // how many models at most; 0: no bound
	Bytes  int64         // of their weights; 0: no bound. A model that takes more is loaded alone
	Idle   time.Duration // after which a model that nobody has asked for is unloaded; 0: it stays until another needs the room
}

// registry knows models by their names, and which of them are loaded.
type registry struct {
	options *Options
	limits  Limits
	started time.Time
	entries []*entry // as they were given, adapters behind their models

	mu      sync.Mutex
	bases   []*base
	queue   []*base // that wait for room, the first next
	clock   int64   // counts requests
	closed  bool
	settled *sync.Cond // a model has been loaded, or closed
}

// entry is a name: a model, or an adapter on one.
type entry struct {
	name    string
	base    *base
	adapter string // its folder; "": the model itself

	model   *served // nil: not loaded
	opening []*use  // requests that wait for the adapter
}

// base is a model, which is loaded or not.
type base struct {
	Source
	entries []*entry // itself, and its adapters

	model     *served            // nil: not loaded
	loading   context.CancelFunc // breaks loading off; nil: it is not being loaded
	unloading bool
	leaving   bool // those who ask wait until others, who were before them, had the room
	waiting   []*use
	users     int           // requests that have it
	asked     int64         // the registry's clock when it was last given
	keep      time.Duration // how long it stays when nobody has it; 0: no time, less: until another needs the room
	rested    time.Time     // since when nobody has it
	idle      *time.Timer
	progress  progress
}

func newRegistry(o *Options, sources []Source) *registry {
	g := &registry{options: o, limits: o.Limits, started: time.Now()}
	g.settled = sync.NewCond(&g.mu)
	for _, s := range sources {
		b := &base{Source: s}
		b.entries = []*entry{{name: s.Name, base: b}}
		for _, a := range s.Adapters {
			b.entries = append(b.entries, &entry{name: a.Name, base: b, adapter: a.Dir})
		}
		if s.opened != nil {
			b.set(newServed(s.Name, lent{s.opened}, o))
		}
		g.bases = append(g.bases, b)
		g.entries = append(g.entries, b.entries...)
	}
	return g
}

// set sets the model when it is loaded.
func (b *base) set(m *served) {
	b.model, b.entries[0].model, b.About = m, m, m.options.About(m)
	if n := b.About.WeightBytes; n > 0 {
		b.Bytes = n
	}
}

// find returns what is served under a name. If that is one model alone, it goes by any name.
func (g *registry) find(name string) (*entry, error) {
	if len(g.entries) == 1 {
		return g.entries[0], nil
	}
	return g.named(name)
}

// named is find for the names as they are. Ollama's clients add a tag to them.
func (g *registry) named(name string) (*entry, error) {
	for _, own := range []string{name, strings.TrimSuffix(name, ":latest")} {
		for _, e := range g.entries {
			if e.name == own {
				return e, nil
			}
		}
	}
	names := make([]string, len(g.entries))
	for i, e := range g.entries {
		names[i] = e.name
	}
	list := strings.Join(names, ", ")
	if name == "" {
		return nil, turn.Invalid("model", "missing; there are %s", list)
	}
	return nil, &turn.Error{Status: http.StatusNotFound, Param: "model", Code: "model_not_found", Message: fmt.Sprintf("there is no model %.200q; there are %s", name, list)}
}

// use is a request's use of a model, from when it asks until it leaves.
type use struct {
	registry *registry
	entry    *entry
	state    useState
	ready    chan struct{} // closed when there is model or err
	model    *served
	err      error
}

type useState int

const (
	waits useState = iota
	has            // the model, which stays loaded
	over
)

// ask asks for a model. It comes when it is loaded, which use.ready tells; leave has to be called in any case. keep is how long the
// model is to stay loaded when nobody has it any more, less than 0: until another needs the room; nil: as the limits say.
func (g *registry) ask(e *entry, keep *time.Duration) *use {
	u := &use{registry: g, entry: e, ready: make(chan struct{})}
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
		u.end(errStopping)
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

// leave ends a use.
func (u *use) leave() {
	g, b := u.registry, u.entry.base
	g.mu.Lock()
	defer g.mu.Unlock()
	switch u.state {
	case waits:
		if b.waiting = slices.DeleteFunc(b.waiting, func(o *use) bool { return o == u }); len(b.waiting) == 0 && b.loading != nil {
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
func (u *use) end(err error) {
	u.state, u.err = over, err
	close(u.ready)
}

// give gives a loaded model to a request.
func (g *registry) give(u *use) {
	b, e := u.entry.base, u.entry
	u.state = has
	b.users++
	g.clock++
	b.asked = g.clock
	if b.idle != nil {
		b.idle.Stop()
	}
	if e.model == nil {
		g.adapt(u)
		return
	}
	u.model = e.model
	close(u.ready)
}

// giveAll gives a loaded model to those that wait for it.
func (g *registry) giveAll(b *base) {
	waiting := b.waiting
	b.waiting = nil
	for _, u := range waiting {
		g.give(u)
	}
}

// settle loads what is asked for, in its order, as far as there is room. It is called after every change.
func (g *registry) settle() {
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
func (g *registry) room(b *base) bool {
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
func (g *registry) rest(b *base) {
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
				g.options.Log.Info("unloading", "model", b.Name, "idle", b.keep)
				g.unload(b)
			}
		})
	}
}

// dismiss unloads a model now, or when nobody has it any more.
func (g *registry) dismiss(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.base.keep = 0
	g.rest(e.base)
}

// each calls f with every model that is loaded, and how many adapters there are for it. It must not come back here.
func (g *registry) each(f func(m *served, adapters int)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.bases {
		if b.model != nil {
			f(b.model, len(b.entries)-1)
		}
	}
}

// listed is what is told of an entry.
type listed struct {
	About
	name    string
	parent  string // the model that an adapter is for; "": it is none
	created time.Time
	loaded  bool
	until   time.Time // when it is unloaded if nobody asks for it; zero: then it is not
}

// list returns what there is, in its order.
func (g *registry) list() []listed {
	all := make([]listed, len(g.entries))
	for i, e := range g.entries {
		all[i] = g.tell(e)
	}
	return all
}

// tell returns what is told of an entry.
func (g *registry) tell(e *entry) listed {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := e.base
	l := listed{About: b.About, name: e.name, created: g.started, loaded: e.model != nil}
	if e.adapter != "" {
		l.parent = b.Name
	}
	switch {
	case b.keep > 0 && b.users > 0:
		l.until = time.Now().Add(b.keep)
	case b.keep > 0:
		l.until = b.rested.Add(b.keep)
	}
	return l
}

// log returns the log, with the name of a model.
func (g *registry) log(b *base) *slog.Logger { return g.options.Log.With("model", b.Name) }
