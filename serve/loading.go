package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"jamba/serve/turn"
)

// progress is how far loading is.
type progress struct{ done, total atomic.Int64 } // bytes

func (p *progress) set(done, total int64) {
	p.done.Store(done)
	p.total.Store(total)
}

// percent returns how far it is, 0 to 100.
func (p *progress) percent() int {
	return int(100 * float64(p.done.Load()) / float64(max(1, p.total.Load())))
}

// load loads a model, and gives it to those that wait for it. It is called with the registry's lock.
func (g *registry) load(b *base) {
	ctx, cancel := context.WithCancel(context.Background())
	b.loading = cancel
	b.progress.set(0, 0)
	g.log(b).Info("loading")
	go func() {
		start := time.Now()
		m, err := b.Open(ctx, b.progress.set)
		var own *served
		if err == nil {
			own = newServed(b.Name, m, g.options)
		} else if b.Bytes > large {
			debug.FreeOSMemory() // what was loaded of it
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		b.loading = nil
		switch {
		case err == nil:
			b.set(own)
			g.log(b).Info("loaded", "bytes", b.Bytes, "duration", time.Since(start).Round(time.Millisecond))
			g.giveAll(b)
			g.rest(b)
		case ctx.Err() != nil:
			g.log(b).Info("loading broken off: nobody waits for the model")
			if len(b.waiting) > 0 { // but those who came since
				g.queue = append(g.queue, b)
			}
		default:
			g.log(b).Error("loading failed", "error", err)
			for _, u := range b.waiting {
				u.end(&loadError{b.Name, err})
			}
			b.waiting = nil
		}
		cancel()
		g.settle()
		g.settled.Broadcast()
	}()
}

// loadError is the error of a model that cannot be loaded. Clients are told that alone; the log has the cause, which may name files.
type loadError struct {
	name string
	err  error
}

func (e *loadError) Error() string { return fmt.Sprintf("%s: %v", e.name, e.err) }

func (e *loadError) Unwrap() error { return e.err }

// told returns what clients are told.
func (e *loadError) told() error {
	return &turn.Error{Status: http.StatusInternalServerError, Code: "model_not_loaded", Message: fmt.Sprintf("the model %q cannot be loaded; the server's log says why", e.name)}
}

// large is how many bytes are worth a collection of garbage.
const large = 64 << 20

// unload closes a model that nobody has. It is called with the registry's lock.
func (g *registry) unload(b *base) {
	m := b.model
	b.model, b.unloading = nil, true
	for _, e := range b.entries {
		e.model = nil
	}
	go func() {
		if err := m.Close(); err != nil {
			g.log(b).Warn("closing", "error", err)
		}
		if b.Bytes > large {
			debug.FreeOSMemory() // for the one that needs the room
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		b.unloading = false
		g.log(b).Info("unloaded")
		g.settle()
		g.settled.Broadcast()
	}()
}

// adapt opens the adapter that a request has asked for, which others may wait for by now, beside the model that it has. It is called
// with the registry's lock.
func (g *registry) adapt(u *use) {
	e, b := u.entry, u.entry.base
	if e.opening = append(e.opening, u); len(e.opening) > 1 {
		return
	}
	m := b.model
	b.users++ // though all who wait may leave
	go func() {
		a, err := m.OpenAdapter(e.adapter)
		g.mu.Lock()
		defer g.mu.Unlock()
		opening := e.opening
		e.opening = nil
		if err != nil {
			g.options.Log.Error("loading failed", "model", e.name, "error", err)
			err = &loadError{e.name, err}
		} else {
			for _, w := range a.Warnings() {
				g.options.Log.Warn(w, "model", e.name)
			}
			e.model = m.with(e.name, a)
		}
		for _, o := range opening {
			o.model, o.err = e.model, err
			close(o.ready)
		}
		b.users--
		g.rest(b)
		g.settle()
	}()
}

// start loads what is to be there at the start, one after the other.
func (g *registry) start(ctx context.Context) error {
	for _, b := range g.bases {
		if !b.AtStart {
			continue
		}
		u := g.ask(b.entries[0], nil)
		select {
		case <-u.ready:
		case <-ctx.Done():
		}
		u.leave()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed, ok := errors.AsType[*loadError](u.err); ok {
			return failed.err
		}
		if u.err != nil {
			return u.err
		}
	}
	return nil
}

// starting returns what is to be there at the start and has not been yet, nil if there is nothing.
func (g *registry) starting() *base {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.bases {
		if b.AtStart && b.asked == 0 && b.model == nil {
			return b
		}
	}
	return nil
}

// close unloads what is loaded, that which is in use when it no longer is, and breaks off what is being loaded. Nothing is loaded after
// it.
func (g *registry) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, b := range g.bases {
		for _, u := range b.waiting {
			u.end(errStopping)
		}
		b.waiting = nil
		if b.loading != nil {
			b.loading()
		}
		g.rest(b)
	}
	g.settle()
	for slices.ContainsFunc(g.bases, func(b *base) bool { return b.loading != nil || b.unloading }) {
		g.settled.Wait()
	}
}
