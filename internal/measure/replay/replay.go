package replay

import (
	"fmt"
	"slices"

	"jamba/engine/prefix"
	"jamba/internal/kernel"
	"jamba/model/state"
	"jamba/tensor"
)

// Model is what sequences of a model take.
type Model struct {
	Name  string
	Token int64 // bytes of a token's keys and values
	State int64 // bytes of the states of all Mamba layers
}

// The models of the tables, with keys and values of 16 bits.
var (
	Jamba3B  = Model{"3B", 1 << 10, 26 * 5120 * 19 * 4}
	Jamba52B = Model{"52B", 16 << 10, 28 * 8192 * 19 * 4}
)

// Placement says which snapshots a request leaves.
type Placement struct {
	Name   string
	Places func(r *Request, known, from int) []prefix.Place
	End    bool // of the answer
}

// The placements of the tables.
var (
	// Ours is what the engine does.
	Ours = Placement{"last border, pre-generation, answer, junction", func(r *Request, known, from int) []prefix.Place {
		m := prefix.Marks{Borders: r.Borders, Turn: r.Turn, Junction: known}
		return m.Places(from, len(r.Prompt))
	}, true}
	// PromptEnd is what vLLM does by default: the end of the prompt, and where a known path is left.
	PromptEnd = Placement{"prompt end, junction", func(r *Request, known, from int) (all []prefix.Place) {
		if known > from && known < len(r.Prompt) {
			all = append(all, prefix.Place{Pos: known, Kind: prefix.Junction})
		}
		return append(all, prefix.Place{Pos: len(r.Prompt), Kind: prefix.Turn})
	}, false}
)

// Config is what is replayed.
type Config struct {
	Model     Model
	Limit     int64 // bytes; 0: none
	Placement Placement
	Policy    prefix.Policy
	Trace     Trace
	Seed      uint64
}

// Result is what came of it, of the requests after the first 15 %.
type Result struct {
	Prompt, Found int64 // tokens
	Stats         prefix.Stats
	Peak          int64 // bytes, of all snapshots
}

// Share returns the share of the prompts' tokens that were not computed.
func (r *Result) Share() float64 { return float64(r.Found) / float64(r.Prompt) }

// Run replays a trace: request after request, each of which takes, grows and leaves states as the engine's sequences do, of
// an arena whose memory is smaller by a factor than the model's and divided in the same way.
func Run(cfg Config) (*Result, error) {
	specs, scale := cfg.Model.specs()
	arena := state.NewArena(specs, 0)
	limit := cfg.Limit / scale
	cache := prefix.New(arena, prefix.Options{Limit: limit, Policy: cfg.Policy})
	result, count := &Result{}, 0
	for r := range cfg.Trace.All(cfg.Seed) {
		found, err := serve(cache, cfg.Placement, &r)
		if err != nil {
			return nil, err
		}
		if count++; count > cfg.Trace.Requests*15/100 {
			result.Prompt += int64(len(r.Prompt))
			result.Found += int64(found)
		}
		result.Peak = max(result.Peak, arena.Used()*scale)
		if held := cache.Stats().Bytes; held != arena.Used() || limit > 0 && held > limit {
			return nil, fmt.Errorf("replay: %d bytes are in use, the cache counts %d of %d", arena.Used(), held, limit)
		}
	}
	result.Stats = cache.Stats()
	cache.Close()
	if n := arena.Used(); n != 0 {
		return nil, fmt.Errorf("replay: %d bytes are in use at the end", n)
	}
	return result, nil
}

// serve does what the engine does for a request that is alone, and returns how many tokens of the prompt were found.
func serve(c *prefix.Cache, p Placement, r *Request) (found int, err error) {
	path := c.Announce(prefix.Root{}, r.Prompt)
	defer path.Retire()
	hit := path.Match()
	s := hit.Take()
	defer s.Free()
	found = s.Pos()
	places := p.Places(r, hit.Known, found)
	cuts := make([]int, len(places))
	for i := range places {
		cuts[i] = places[i].Pos
	}
	if err := s.Reserve(len(r.Prompt)-found, cuts); err != nil {
		return 0, err
	}
	for i, kept := range s.Commit() {
		path.Insert(r.Prompt, kept, places[i].Kind)
	}
	if err := s.Reserve(len(r.Answer), nil); err != nil {
		return 0, err
	}
	s.Commit()
	if p.End {
		path.Insert(slices.Concat(r.Prompt, r.Answer), s.Fork(), prefix.End)
	}
	return found, nil
}

// specs returns two layers, one of attention and one of Mamba, that take a model's memory divided by scale.
func (m Model) specs() (specs []state.Spec, scale int64) {
	kv := state.Spec{KVHeads: 1, HeadDim: 1, DType: tensor.F16}
	scale = m.Token / kv.KVBytes()
	mamba := state.Spec{DInner: kernel.ScanPanel, DState: int(m.State / scale / (4 * kernel.ScanPanel)), DConv: 1}
	return []state.Spec{kv, mamba}, scale
}
