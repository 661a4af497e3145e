// Package models knows the models that a server has, and which of them are loaded: on first use, as many as there is room for, and none
// unloaded that somebody has. It knows no HTTP.
package models

import (
	"context"
	"iter"
	"time"

	"jamba"
	"jamba/text"
)

// Model is what is served; *jamba.Model is one.
type Model interface {
	TextPrompt(s string, literal bool) (jamba.Prompt, error)
	ChatPrompt(conversation []byte, literal bool, kept ...int) (jamba.Prompt, error)
	Answer(ctx context.Context, p jamba.Prompt, o jamba.Options) iter.Seq2[jamba.Piece, error]
	CheckFormat(ctx context.Context, f jamba.Format) error
	EmbedIDs(ctx context.Context, texts [][]int32, o jamba.EmbedOptions) ([][]float32, error)
	OpenAdapter(dir string) (*jamba.Adapter, error)
	CanChat() bool
	Info() jamba.Info
	Defaults() jamba.Options
	ChatDefaults() jamba.Options
	Ends() []int32
	Text() *text.Text
	Detokenize(ids []int32) string
	Counters() jamba.Counters
	Close() error
}

// About is what can be told of a model that need not be loaded.
type About struct {
	jamba.Info
	Template string // of chats; "": it has none
	Calls    bool   // it calls tools
	Thinks   bool
}

// Source is a model that can be served. It is loaded when it is first asked for.
type Source struct {
	Name  string
	About About // as far as it is known without loading it
	Bytes int64 // that it is expected to take; 0: unknown
	// Open loads it. progress is told of the bytes that are ready. When ctx ends nobody waits for the model any more: Open should
	// return soon, with an error.
	Open func(ctx context.Context, progress func(done, total int64)) (Model, error)
	// AtStart has Registry.Start load it. The server is not ready before.
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
