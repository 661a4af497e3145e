package models

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jamba"
)

// shelf counts the models that are loaded.
type shelf struct {
	t testing.TB

	mu    sync.Mutex
	live  int
	bytes int64
	opens map[string]int
}

// fake is a model that is loaded and unloaded without anything in it.
type fake struct {
	Model
	shelf   *shelf
	name    string
	bytes   int64
	holders int
	closed  bool
}

var errFake = errors.New("no such weights")

func (f *fake) Info() jamba.Info { return jamba.Info{WeightBytes: f.bytes} }

func (f *fake) OpenAdapter(dir string) (*jamba.Adapter, error) {
	f.hold(1)
	defer f.hold(-1)
	time.Sleep(time.Millisecond)
	if dir == "broken" {
		return nil, errFake
	}
	return &jamba.Adapter{}, nil
}

func (f *fake) hold(n int) {
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	if f.holders += n; f.closed {
		f.shelf.t.Error("a model is used that is unloaded")
	}
}

func (f *fake) Close() error {
	f.shelf.mu.Lock()
	if f.holders > 0 || f.closed {
		f.shelf.t.Errorf("unloaded while %d have it; %v", f.holders, f.closed)
	}
	f.closed = true
	f.shelf.mu.Unlock()
	time.Sleep(5 * time.Millisecond) // it takes memory until it is closed
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	f.shelf.live--
	f.shelf.bytes -= f.bytes
	return nil
}

// source returns a model that takes a while to be loaded. fails says whether that fails.
func (s *shelf) source(name string, bytes int64, limits Limits, fails func() bool, adapters ...Adapter) Source {
	return Source{Name: name, Bytes: bytes, Adapters: adapters, Open: func(ctx context.Context, progress func(done, total int64)) (Model, error) {
		s.mu.Lock()
		if s.opens == nil {
			s.opens = map[string]int{}
		}
		s.opens[name]++
		if limits.Loaded > 0 && s.live >= limits.Loaded {
			s.t.Errorf("%d models are loaded, %s comes, at most %d may be", s.live, name, limits.Loaded)
		}
		if limits.Bytes > 0 && s.bytes+bytes > limits.Bytes && s.live > 0 {
			s.t.Errorf("%d bytes are loaded, %s of %d comes, at most %d may be", s.bytes, name, bytes, limits.Bytes)
		}
		s.live++
		s.bytes += bytes
		s.mu.Unlock()
		progress(bytes/2, bytes)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			time.Sleep(time.Millisecond)
		}
		err := ctx.Err()
		if err == nil && fails() {
			err = errFake
		}
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.live--
			s.bytes -= bytes
			return nil, err
		}
		return &fake{shelf: s, name: name, bytes: bytes}, nil
	}}
}

// registryOf returns a registry that tells nothing.
func registryOf(l Limits, sources ...Source) *Registry {
	return New(l, slog.New(slog.DiscardHandler), func(m Model) About { return About{Info: m.Info()} }, sources...)
}

func never() bool { return false }

// get waits for a model.
func (u *Use) get() (*fake, error) {
	if <-u.Ready; u.Err != nil {
		return nil, u.Err
	}
	return u.Model.(*fake), nil
}

// TestRegistry has many ask for models at random, give up, hold them for a while and leave: none is unloaded that somebody has, no more
// are loaded than may be, whoever waits gets what it asked for, and in the end nothing is loaded.
func TestRegistry(t *testing.T) {
	reached := map[string]int{}
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			limits := Limits{Loaded: random.IntN(4), Idle: []time.Duration{0, 0, 30 * time.Millisecond}[random.IntN(3)]}
			if random.IntN(2) == 0 {
				limits.Bytes = 100 + random.Int64N(200)
			}
			s := &shelf{t: t}
			var sources []Source
			for i := range 2 + random.IntN(4) {
				var lock sync.Mutex
				own := rand.New(rand.NewPCG(seed, uint64(i)))
				fails := func() bool {
					lock.Lock()
					defer lock.Unlock()
					return own.IntN(10) == 0
				}
				name := fmt.Sprint("m", i)
				sources = append(sources, s.source(name, 50+random.Int64N(100), limits, fails, Adapter{name + "-a", "a"}, Adapter{name + "-b", "broken"}))
			}
			g := registryOf(limits, sources...)
			var all sync.WaitGroup
			for client := range 12 {
				own := rand.New(rand.NewPCG(seed, 100+uint64(client)))
				all.Go(func() {
					for range 12 {
						time.Sleep(time.Duration(own.IntN(40)) * time.Millisecond)
						e := g.entries[own.IntN(len(g.entries))]
						var keep *time.Duration
						if own.IntN(3) == 0 {
							keep = new(time.Duration(own.IntN(4)-1) * 20 * time.Millisecond)
						}
						if own.IntN(20) == 0 {
							g.Dismiss(e)
						}
						u := g.Ask(e, keep)
						patience := time.Hour
						if own.IntN(4) == 0 {
							patience = time.Duration(own.IntN(30)) * time.Millisecond
						}
						got := "left"
						select {
						case <-u.Ready:
							m, err := u.get()
							switch {
							case err == nil:
								got = "got"
								m.hold(1)
								time.Sleep(time.Duration(own.IntN(30)) * time.Millisecond)
								m.hold(-1)
								if (u.Adapter != nil) != (e.dir != "") || m.name != e.Base {
									t.Errorf("got %s, %v for %s", m.name, u.Adapter, e.Name)
								}
							case errors.Is(err, errFake):
								got = "failed"
							default:
								t.Error(err)
							}
						case <-time.After(patience):
							if patience == time.Hour {
								t.Errorf("%s does not come", e.Name)
							}
						}
						u.Leave()
						s.mu.Lock()
						reached[got]++
						s.mu.Unlock()
					}
				})
			}
			all.Wait()
			time.Sleep(time.Second)
			g.mu.Lock()
			for _, b := range g.bases {
				if b.users != 0 || len(b.waiting) != 0 || b.loading != nil || b.unloading || b.model != nil && b.keep >= 0 {
					t.Errorf("%s: %d use it, %d wait, loading %v, unloading %v, kept for %v", b.Name, b.users, len(b.waiting), b.loading != nil, b.unloading, b.keep)
				}
			}
			g.mu.Unlock()
			g.Close()
			if s.live != 0 || s.bytes != 0 {
				t.Errorf("%d models are loaded, %d bytes", s.live, s.bytes)
			}
			u := g.Ask(g.entries[0], nil)
			if _, err := u.get(); !errors.Is(err, ErrStopping) {
				t.Errorf("after the end: %v", err)
			}
			u.Leave()
		})
	}
	for _, what := range []string{"got", "left", "failed"} {
		if reached[what] < 100 {
			t.Errorf("%d times %s", reached[what], what)
		}
	}
}

// TestBreakOff leaves while a model is being loaded: that ends, unless somebody else waits, and who asks then gets it all the same. So does
// the end of the server.
func TestBreakOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken, opens int
		g := registryOf(Limits{}, Source{Name: "a", Open: func(ctx context.Context, _ func(done, total int64)) (Model, error) {
			opens++
			select {
			case <-time.After(time.Hour):
				return lent{&fake{}}, nil
			case <-ctx.Done():
				time.Sleep(time.Minute) // it takes a while to notice
				broken++
				return nil, ctx.Err()
			}
		}})
		ask := func() *Use { return g.Ask(g.entries[0], nil) }
		expect := func(what string, wantOpens, wantBroken int) {
			t.Helper()
			if synctest.Wait(); opens != wantOpens || broken != wantBroken {
				t.Errorf("%s: opened %d times, broken off %d times, want %d and %d", what, opens, broken, wantOpens, wantBroken)
			}
		}
		first, second := ask(), ask()
		time.Sleep(time.Second)
		first.Leave()
		time.Sleep(time.Hour / 2)
		expect("another waits", 1, 0)
		second.Leave()
		time.Sleep(time.Second)
		third := ask()
		time.Sleep(time.Hour / 2)
		expect("nobody waited", 2, 1)
		third.Leave()
		time.Sleep(2 * time.Minute)
		expect("nobody waited again", 2, 2)
		last := ask()
		<-last.Ready
		if last.Err != nil {
			t.Error(last.Err)
		}
		expect("one has waited", 3, 2)
		last.Leave()
		g.Dismiss(g.entries[0])
		ask()
		time.Sleep(time.Second)
		begun := time.Now()
		g.Close()
		if expect("the end", 4, 3); time.Since(begun) > time.Minute {
			t.Errorf("the end took %v", time.Since(begun))
		}
	})
}

// TestTakesTurns asks for a model while another, the only one that there is room for, is never idle: those who ask for that one later wait,
// and both are served in turn.
func TestTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Limits{Loaded: 1}
		s := &shelf{t: t}
		g := registryOf(limits, s.source("a", 1, limits, never), s.source("b", 1, limits, never))
		done := make(chan bool)
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				time.Sleep(time.Duration(25*i) * time.Millisecond) // one has it always
				for range 100 {
					u := g.Ask(g.entries[0], nil)
					if _, err := u.get(); err != nil {
						t.Error(err)
					}
					time.Sleep(100 * time.Millisecond)
					u.Leave()
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		time.Sleep(time.Second)
		for range 3 {
			begun := time.Now()
			u := g.Ask(g.entries[1], nil)
			if _, err := u.get(); err != nil {
				t.Error(err)
			}
			if waited := time.Since(begun); waited > 300*time.Millisecond {
				t.Errorf("b came after %v", waited)
			}
			u.Leave()
			time.Sleep(300 * time.Millisecond)
		}
		close(done)
		all.Wait()
		if s.opens["a"] != 4 || s.opens["b"] != 3 {
			t.Errorf("loaded: %v", s.opens)
		}
		g.Close()
	})
}

// TestIdle leaves models alone: they are unloaded after as long as was said last.
func TestIdle(t *testing.T) {
	for _, test := range []struct {
		idle time.Duration
		keep *time.Duration
		want time.Duration // less than 0: it stays
	}{
		{0, nil, -1},
		{time.Minute, nil, time.Minute},
		{time.Minute, new(5 * time.Second), 5 * time.Second},
		{time.Minute, new(time.Hour), time.Hour},
		{time.Minute, new(-time.Second), -1},
		{time.Minute, new(time.Duration(0)), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{t: t}
			limits := Limits{Idle: test.idle}
			g := registryOf(limits, s.source("a", 1, limits, never))
			first := g.Ask(g.entries[0], nil)
			<-first.Ready
			u := g.Ask(g.entries[0], test.keep)
			<-u.Ready
			first.Leave()
			time.Sleep(2 * time.Hour) // it is in use
			u.Leave()
			loaded := func() bool {
				synctest.Wait()
				return g.List()[0].Loaded
			}
			if test.want > 0 {
				if until := g.List()[0].Until; time.Until(until) != test.want {
					t.Errorf("%+v: it is said to stay until %v", test, until)
				}
				time.Sleep(test.want - time.Second)
				if !loaded() {
					t.Errorf("%+v: gone too early", test)
				}
				time.Sleep(2 * time.Second)
			} else if test.want < 0 {
				time.Sleep(1000 * time.Hour)
			}
			if loaded() != (test.want < 0) {
				t.Errorf("%+v: loaded %v", test, loaded())
			}
			g.Close()
		})
	}
}
