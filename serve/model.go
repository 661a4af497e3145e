package serve

import (
	"context"
	"iter"
	"strings"

	"jamba"
	"jamba/text"
	"jamba/text/reply"
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

// served is a loaded model under a name, perhaps with an adapter, and what is looked up in it once.
type served struct {
	Model
	name     string
	base     string         // the name of the model without the adapter
	adapter  *jamba.Adapter // nil: none
	options  *Options
	format   *reply.Format // of calls of tools; nil: they are text
	show     []int32       // control tokens that thoughts are marked by
	showCall []int32       // and calls
}

func newServed(name string, m Model, o *Options) *served {
	s := &served{Model: m, name: name, base: name, options: o, format: o.format(m)}
	s.show, s.showCall = reply.Control(m.Text().Tokenizer)
	return s
}

// with returns the model with an adapter, under a name of its own.
func (m *served) with(name string, a *jamba.Adapter) *served {
	adapted := *m
	adapted.name, adapted.adapter = name, a
	return &adapted
}

// format returns the format of a model's calls of tools, nil if they are text.
func (o *Options) format(m Model) *reply.Format {
	switch {
	case o.NoCalls:
		return nil
	case o.Calls != nil:
		return o.Calls
	}
	return reply.Of(m.Text().Templates)
}

// About is what can be told of a model that need not be loaded.
type About struct {
	jamba.Info
	Template string // of chats; "": it has none
	Calls    bool   // it calls tools
	Thinks   bool
}

// About returns what can be told of a model.
func (o *Options) About(m Model) About {
	a := About{Info: m.Info(), Calls: o.format(m) != nil}
	if m.CanChat() {
		if t, err := m.Text().Templates.Get("default"); err == nil {
			a.Template = t.Source()
			a.Thinks = strings.Contains(a.Template, "<think>") && !o.RawThoughts
		}
	}
	return a
}
