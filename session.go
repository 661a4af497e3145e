package jamba

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"jamba/checkpoint"
	"jamba/model"
)

// ErrEmptySession is the error of saving a session in which nothing was computed.
var ErrEmptySession = errors.New("nothing was computed in the session")

// Save writes what the session has seen last, its prompt and the answer, with the state of the network after it, so that Load
// can go on from there without computing it again. A hybrid's state is small: with a
// Jamba of 3 B parameters a KiB for each token, and 10 MiB.
func (s *Session) Save(ctx context.Context, w io.Writer) error {
	if len(s.text.Tokens) == 0 {
		return ErrEmptySession
	}
	hash, err := s.model.hashWith(s.text.Adapter)
	if err != nil {
		return err
	}
	return s.model.engine.Save(ctx, s.text, w, hash)
}

// Load makes the session one that Save wrote, of the same model with the same options, and returns its text, without
// control tokens. A prompt or a conversation that begins with it goes on from there. It is for the adapter and the salt that
// the session had last; LoadWith is for others.
func (s *Session) Load(r io.Reader) (text string, err error) {
	return s.LoadWith(r, Options{Adapter: s.text.Adapter, Salt: s.text.Salt})
}

// LoadWith is Load for requests with the adapter and the salt of o. It is an error if the session was saved with another adapter.
func (s *Session) LoadWith(r io.Reader, o Options) (text string, err error) {
	hash, err := s.model.hashWith(o.Adapter)
	if err != nil {
		return "", err
	}
	q, err := s.model.engine.Load(r, hash, o.Salt, o.Adapter)
	if err != nil {
		return "", err
	}
	s.text = q
	return s.model.text.Tokenizer.Decode(q.Tokens, true), nil
}

// hashWith returns a hash of what the numbers of requests with an adapter, which may be nil, follow from.
func (m *Model) hashWith(a *Adapter) ([32]byte, error) {
	hash, err := m.hash()
	if a != nil {
		own := a.Source().Hash()
		hash = sha256.Sum256(append(hash[:], own[:]...))
	}
	return hash, err
}

// networkHash returns a hash of what the numbers of a network follow from.
func networkHash(c *checkpoint.Checkpoint, n *model.Model) ([32]byte, error) {
	own, err := c.Hash()
	if err != nil {
		return own, err
	}
	var adapter [32]byte
	if a := n.Attached(); a != nil {
		adapter = a.Source().Hash()
	}
	return sha256.Sum256(fmt.Appendf(own[:], "%v %v %v %x", n.Precision(), n.KV(), n.Rounded(), adapter)), nil
}
