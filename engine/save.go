package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"jamba/engine/prefix"
	"jamba/model"
	"jamba/model/state"
)

// Sequence is tokens that were computed, with what they were computed with.
type Sequence struct {
	Tokens  []int32
	Salt    string
	Adapter *model.Adapter
	Turn    int // where the answer's part begins, a place to come back to; 0: unknown
}

// Sequence returns the request's prompt with its answer so far.
func (r *Request) Sequence(answer []int32) Sequence {
	return Sequence{append(r.Prompt[:len(r.Prompt):len(r.Prompt)], answer...), r.Salt, r.Adapter, r.Marks.Turn}
}

// sessionMagic begins a saved sequence, with the version of what follows: the number of tokens, Turn, the tokens and the CRC-32 of
// these, little-endian, and as state.Save writes them the state after all tokens and perhaps that at Turn.
const sessionMagic = "jamba session 1\n"

// Save writes a sequence with its state, of which it computes what is not kept. hash is that of the network, by which Load knows it
// again.
func (e *Engine) Save(ctx context.Context, q Sequence, w io.Writer, hash [32]byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, e.nudge)
	s, err := e.request(ctx, &Request{Prompt: q.Tokens, Salt: q.Salt, Adapter: q.Adapter}, goalState)
	if err != nil {
		return err
	}
	ev := <-s.events
	if ev.err != nil {
		return ev.err
	}
	states := []*state.State{ev.state} // counted as on its way
	defer func() { freeAll(states); e.saving.Add(-1); e.nudge() }()
	if turn := e.kept(q); turn != nil {
		states = append(states, turn)
	}
	head := sessionHead{Tokens: uint64(len(q.Tokens)), Turn: uint64(q.Turn), States: uint64(len(states))}
	b, _ := binary.Append([]byte(sessionMagic), binary.LittleEndian, head)
	b, _ = binary.Append(b, binary.LittleEndian, q.Tokens)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, s := range states {
		if err := s.Save(w, hash); err != nil {
			return err
		}
	}
	return nil
}

// sessionHead follows sessionMagic.
type sessionHead struct{ Tokens, Turn, States uint64 }

// kept returns the state at a sequence's turn, if it is in memory: all requests would wait for the disk.
func (e *Engine) kept(q Sequence) (s *state.State) {
	if q.Turn < 1 || q.Turn >= len(q.Tokens) {
		return nil
	}
	_ = e.do(func() {
		p := e.cache.Announce(rootOf(q.Salt, q.Adapter), q.Tokens[:q.Turn+1])
		defer p.Retire()
		hit := p.Match()
		if hit.Pos != q.Turn || hit.Disk {
			hit.Release()
			return
		}
		s = hit.Take()
	})
	return s
}

// Load reads a sequence that Save wrote and keeps its state, if there is room, for requests that begin with it, of that salt and
// adapter. It is an error if it was written by another network or version, or is damaged.
func (e *Engine) Load(r io.Reader, hash [32]byte, salt string, a *model.Adapter) (Sequence, error) {
	q := Sequence{Salt: salt, Adapter: a}
	sum := crc32.NewIEEE()
	in := io.TeeReader(r, sum)
	magic := make([]byte, len(sessionMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != sessionMagic {
		return q, errors.New("not a saved session, or one of another version")
	}
	var head sessionHead
	if err := binary.Read(in, binary.LittleEndian, &head); err != nil {
		return q, fmt.Errorf("the session is cut off: %w", err)
	}
	limit := e.options.Context
	if limit == 0 {
		limit = 1 << 30
	}
	n := head.Tokens
	switch {
	case n == 0 || n > uint64(limit):
		return q, fmt.Errorf("a session of %d tokens, the model's context is %d", n, limit)
	case head.Turn > n || head.States < 1 || head.States > 2:
		return q, errors.New("the session's head is damaged")
	}
	raw, err := io.ReadAll(io.LimitReader(in, 4*int64(n))) // which grows with what is there
	if err == nil && len(raw) < 4*int(n) {
		err = io.ErrUnexpectedEOF
	}
	var want uint32
	got := sum.Sum32()
	if err == nil {
		err = binary.Read(r, binary.LittleEndian, &want)
	}
	if err != nil {
		return q, fmt.Errorf("the session is cut off: %w", err)
	}
	if got != want {
		return q, errors.New("the session's checksum is wrong: the file is damaged")
	}
	q.Tokens, q.Turn = make([]int32, n), int(head.Turn)
	if _, err := binary.Decode(raw, binary.LittleEndian, q.Tokens); err != nil {
		return q, err
	}
	for range head.States {
		if err := e.loadState(r, hash, q); errors.Is(err, state.ErrFull) {
			break // it is computed again
		} else if err != nil {
			return q, err
		}
	}
	return q, nil
}

// loadState reads a state of the beginning of q.
func (e *Engine) loadState(r io.Reader, hash [32]byte, q Sequence) error {
	specs := e.arena.Specs()
	if limit := e.arena.Limit(); limit > 0 {
		need := state.Bytes(specs, len(q.Tokens)) - (limit - e.arena.Used())
		if err := e.do(func() { e.cache.Evict(max(0, need)) }); err != nil {
			return err
		}
	}
	e.saving.Add(1)
	defer e.saving.Add(-1)
	s, err := e.arena.Load(r, hash, len(q.Tokens))
	if err != nil {
		return err
	}
	kind := prefix.End
	if s.Pos() < len(q.Tokens) {
		kind = prefix.Turn
	}
	err = e.do(func() {
		p := e.cache.Announce(rootOf(q.Salt, q.Adapter), q.Tokens[:s.Pos()])
		p.Insert(q.Tokens, s, kind)
		p.Retire()
	})
	if err != nil {
		s.Free()
	}
	return err
}
