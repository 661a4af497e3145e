package models

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
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
func (g *Registry) load(b *base) {
	ctx, cancel := context.WithCancel(context.Background())
	b.loading = cancel
	b.progress.set(0, 0)
	g.log(b).Info("loading")
	go func() {
		start := time.Now()
		m, err := b.Open(ctx, b.progress.set)
		if err != nil && b.Bytes > large {
			debug.FreeOSMemory() // what was loaded of it
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		b.loading = nil
		switch {
		case err == nil:
			g.set(b, m)
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
				u.end(&LoadError{b.Name, err})
			}
			b.waiting = nil
		}
		cancel()
		g.settle()
		g.settled.Broadcast()
	}()
}

// LoadError is the error of a model that cannot be loaded, or of an adapter. It may name files.
type LoadError struct {
	Name string
	Err  error
}

func (e *LoadError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

func (e *LoadError) Unwrap() error { return e.Err }

// ErrStopping is the error of those who ask when nothing is loaded any more.
var ErrStopping = errors.New("the server is stopping")

// large is how many bytes are worth a collection of garbage.
const large = 64 << 20

// unload closes a model that nobody has. It is called with the registry's lock.
func (g *Registry) unload(b *base) {
	m := b.model
	b.model, b.unloading = nil, true
	for _, e := range b.entries {
		e.adapter = nil
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
func (g *Registry) adapt(u *Use) {
	e, b := u.Entry, u.Entry.base
	if e.opening = append(e.opening, u); len(e.opening) > 1 {
		return
	}
	m := b.model
	b.users++ // though all who wait may leave
	go func() {
		a, err := m.OpenAdapter(e.dir)
		g.mu.Lock()
		defer g.mu.Unlock()
		opening := e.opening
		e.opening = nil
		if err != nil {
			g.logger.Error("loading failed", "model", e.Name, "error", err)
			err = &LoadError{e.Name, err}
		} else {
			for _, w := range a.Warnings() {
				g.logger.Warn(w, "model", e.Name)
			}
			e.adapter = a
		}
		for _, o := range opening {
			if o.Err = err; err == nil {
				o.Model, o.Adapter = m, a
			}
			close(o.Ready)
		}
		b.users--
		g.rest(b)
		g.settle()
	}()
}

// Start loads what is to be there at the start, one after the other.
func (g *Registry) Start(ctx context.Context) error {
	for _, b := range g.bases {
		if !b.AtStart {
			continue
		}
		u := g.Ask(b.entries[0], nil)
		select {
		case <-u.Ready:
		case <-ctx.Done():
		}
		u.Leave()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed, ok := errors.AsType[*LoadError](u.Err); ok {
			return failed.Err
		}
		if u.Err != nil {
			return u.Err
		}
	}
	return nil
}

// Starting tells what is to be there at the start and has not been yet, and how much of it is loaded, 0 to 100.
func (g *Registry) Starting() (name string, percent int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.bases {
		if b.AtStart && b.asked == 0 && b.model == nil {
			return b.Name, b.progress.percent(), true
		}
	}
	return "", 0, false
}

// Close unloads what is loaded, that which is in use when it no longer is, and breaks off what is being loaded. Nothing is loaded after
// it.
func (g *Registry) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, b := range g.bases {
		for _, u := range b.waiting {
			u.end(ErrStopping)
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
