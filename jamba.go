// Package jamba runs hybrid language models (Jamba) and their relatives (Llama, Mistral, Mixtral, Mamba) on this
// machine's processor.
//
// Open a model, then Generate continues a text and Chat answers messages, both piece by piece; Embed makes vectors of texts.
// What was computed is kept while there is memory, and a prompt that begins like an earlier one goes on from there: a conversation
// costs only its new part, a system prompt that many requests have in common is computed once. A Session is a conversation that can
// be saved to a file.
//
// Several goroutines may use a model: what they ask for is computed together, in passes that a goroutine of the model's own
// makes, each with the adapter that it names, and a reader who is slow holds up nobody else. The answer to a request is the
// same, bit for bit, in any company. A context that ends ends its own request alone.
package jamba

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"

	"jamba/checkpoint"
	"jamba/engine"
	"jamba/engine/prefix"
	"jamba/engine/sample"
	"jamba/model"
	"jamba/text"
	"jamba/text/chat"
)

// Model is an open model. It is safe for concurrent use, until Close.
type Model struct {
	checkpoint *checkpoint.Checkpoint
	network    *model.Model
	engine     *engine.Engine
	text       *text.Text
	defaults   Options
	sampled    bool     // the files say how answers are sampled
	ends       []int32  // tokens that end an answer
	padded     []int32  // rows of the vocabulary that only fill it up
	warnings   []string // of generation settings and the tokenizer
	hash       func() ([32]byte, error)
	formats    formats
}

// The types of the parts below that callers meet.
type (
	// Piece is a token of an answer with its text, or the end of the answer.
	Piece = engine.Piece
	// Finish says why an answer ended.
	Finish = engine.Finish
	// Stats are the counts and times of one answer.
	Stats = engine.Stats
	// Sampling says how tokens are picked.
	Sampling = sample.Params
	// Logprob is a token with the logarithm of its probability.
	Logprob = sample.Logprob
	// Score is how likely a token of a prompt was.
	Score = engine.Score
	// Adapter is a low-rank adapter (LoRA) that Options can name; see Model.OpenAdapter.
	Adapter = model.Adapter
	// Constraint steers an answer token by token.
	Constraint = engine.Constraint
	// Counters tell what a model's requests have come to.
	Counters = engine.Counters
	// EngineOptions are the bounds of what is computed together.
	EngineOptions = engine.Options
)

// The choices of OpenOptions.Precision.
const (
	Exact = model.Exact // float32 throughout
	Fast  = model.Fast  // activations rounded to 16 bits or little less beside quantized weights, keys and values as fp16
)

// The reasons for the end of an answer.
const (
	FinishStop        = engine.FinishStop        // the model ended it, or a stop string came
	FinishLength      = engine.FinishLength      // MaxTokens or the end of the context
	FinishRepetition  = engine.FinishRepetition  // the answer only repeated itself
	FinishInterrupted = engine.FinishInterrupted // the context ended
)

// Errors of requests that are not begun.
var (
	ErrBusy   = engine.ErrBusy   // too many requests are waiting
	ErrClosed = engine.ErrClosed // the model is closed
	// ErrTooLarge is the error of requests that need more memory than there is.
	ErrTooLarge = engine.ErrTooLarge
)

// OpenOptions say how to open a model.
type OpenOptions struct {
	checkpoint.Options               // of the weights
	Engine             EngineOptions // of the requests
	// StateDir, if set, is a folder in which what was computed for prompts is kept, so that a program which is started again need
	// not compute it again. At most StateBytes are used; 0: 16 GiB.
	StateDir   string
	StateBytes int64
	Warn       func(error) // told of files in StateDir that cannot be used; nil: nobody
}

// Options say how to answer. Model.Defaults gives those that the model asks for; the zero value is the most likely
// answer, of any length.
type Options struct {
	Sampling
	MaxTokens int      // 0: until the answer ends or the context is full; less: none, the prompt alone is computed
	Stop      []string // strings that end the answer, and are left out of it
	StopIDs   []int32  // tokens that end the answer, beside Model.Ends
	// IgnoreEnds lets answers go on after Model.Ends.
	IgnoreEnds bool
	// WholeText has characters that are written as tokens of single bytes wait until such a run ends: one that is no UTF-8 is then
	// text as the reference has it.
	WholeText bool
	// Show are control tokens whose text is part of the answer's, such as those that begin and end calls of tools.
	Show []int32
	// Mask, if set, may change the logits of the next token, one for each of the vocabulary, before it is picked: -Inf forbids
	// it. answer are the tokens so far. It runs beside those of other answers and must not keep its arguments. If no token is
	// left, the answer ends with an error.
	Mask      func(answer []int32, logits []float32)
	Logprobs  bool // give the log-probability of each token
	TopTokens int  // and those of the n most likely ones
	// ScorePrompt gives the same of the prompt's tokens from ScoreFrom on, all of which are computed for it, with the first piece.
	ScorePrompt bool
	ScoreFrom   int
	Progress    func(done, total int) // called while the prompt is computed
	// Constraint, in place of Mask, may also say what comes next, or take back up to Undo tokens; so many are held back from the reader.
	Constraint Constraint
	Undo       int
	// Format is what the answer has to be. A Mask or Constraint beside it chooses among what it allows. An answer that MaxTokens or
	// Stop ends need not be complete.
	Format Format
	// Adapter is what to compute with; nil: the model as it was opened. Answers with different adapters are computed together. A
	// session that changes its adapter begins again.
	Adapter *Adapter
	// Tools and Documents are what the chat template is told of, each an object in JSON as OpenAI's API has it.
	Tools, Documents []json.RawMessage
	// Priority brings a request forward: a level counts as having come 10 seconds earlier. It matters where requests wait.
	Priority int
	// Salt separates requests: what was computed for one is used for others of the same salt alone.
	Salt string
	// Breakpoints are positions of a prompt of token ids which later prompts may begin with: what is computed up to there is
	// kept. Those of chats are found by themselves.
	Breakpoints []int
	// Lookup guesses what comes next from the text before, where that turns out to be faster: answers that repeat their prompts
	// are. The answer is the same.
	Lookup bool
	// EndRepetition ends an answer that only repeats itself.
	EndRepetition bool
	// LiteralContent takes control tokens that are written out in prompts and messages for text. The reference does not.
	LiteralContent bool
}

// Open opens the model at path, a folder in Hugging Face layout or a .gguf file, for the fast pass.
// Errors name the file and what is wrong with it.
func Open(path string) (*Model, error) {
	return OpenWith(path, OpenOptions{Options: checkpoint.Options{Precision: Fast}})
}

// OpenWith is Open with options. The exact pass maps the weights and does not read them.
func OpenWith(path string, o OpenOptions) (*Model, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{checkpoint: c}
	if m.network, err = c.Model(o.Options); err == nil {
		if m.text, err = c.Text(); err == nil {
			err = m.readGeneration()
		}
	}
	if m.hash = sync.OnceValues(func() ([32]byte, error) { return networkHash(c, m.network) }); err == nil && o.StateDir != "" {
		err = m.openStates(&o)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	m.engine = engine.ForModel(m.network, o.Engine)
	return m, nil
}

// Close ends the answers that are on their way and releases the model.
func (m *Model) Close() error {
	m.engine.Close()
	m.formats.close()
	return m.network.Close()
}

// Network returns the model's network, for what is beyond text.
func (m *Model) Network() *model.Model { return m.network }

// Checkpoint returns what the model was opened from.
func (m *Model) Checkpoint() *checkpoint.Checkpoint { return m.checkpoint }

// Counters returns what the model's requests have come to so far.
func (m *Model) Counters() Counters { return m.engine.Counters() }

// Text returns the model's tokenizer and chat templates.
func (m *Model) Text() *text.Text { return m.text }

// Defaults returns the options that the model's files ask for, generation_config.json or the metadata of a GGUF file. They
// are as the files have them and may be out of range, which Validate tells.
func (m *Model) Defaults() Options { return m.defaults }

// Samples reports whether the model's files say how tokens are picked, be it that the most likely ones are.
func (m *Model) Samples() bool { return m.sampled }

// Ends returns the tokens that end an answer: those that the model's files name, and those of its vocabulary that are the
// end of a turn or of a text by their spelling.
func (m *Model) Ends() []int32 { return slices.Clone(m.ends) }

// Warnings returns what a user should know of the model's settings and its tokenizer, such as what is not heeded, beside the warnings of
// its network. They may quote the files.
func (m *Model) Warnings() []string { return slices.Clone(m.warnings) }

// Tokenize returns the token ids of text, with those that begin a text if the model has such.
func (m *Model) Tokenize(text string) ([]int32, error) { return m.text.Encode(text) }

// Detokenize returns the text of token ids, without control tokens.
func (m *Model) Detokenize(ids []int32) string { return m.text.Tokenizer.Decode(ids, true) }

// Info is what a model is.
type Info struct {
	Architecture string // such as JambaForCausalLM
	VocabSize    int
	HiddenSize   int   // the numbers of an embedding
	Context      int   // tokens of the longest sequence; 0: no bound
	Params       int64 // of the network
	ActiveParams int64 // of these, those that one token uses
	WeightBytes  int64
	KV           string // the type of keys and values, such as F16
}

// Info returns what the model is.
func (m *Model) Info() Info {
	c, size := &m.network.Config, m.network.Sizes().Total()
	return Info{c.Architecture, c.VocabSize, c.HiddenSize, c.MaxPositionEmbeddings, size.Params, size.ActiveParams, size.Bytes, m.network.KV().String()}
}

// OpenAdapter opens a low-rank adapter (LoRA), a folder as PEFT lays it out, for Options.Adapter. It may be done while the
// model is in use; an adapter that is no longer named is collected. It is an error if the adapter is for another model, or if
// this one was opened with an adapter.
func (m *Model) OpenAdapter(dir string) (*Adapter, error) {
	a, err := checkpoint.OpenAdapter(dir, m.network.Modules())
	if err != nil {
		return nil, err
	}
	own, err := m.network.NewAdapter(a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return own, nil
}

// CanChat reports whether the model has a chat template.
func (m *Model) CanChat() bool { return m.text.Templates != nil }

// Generate continues prompt. See Session.Generate.
func (m *Model) Generate(ctx context.Context, prompt string, o Options) iter.Seq2[Piece, error] {
	return m.NewSession().Generate(ctx, prompt, o)
}

// GenerateIDs continues a prompt of token ids. See Session.GenerateIDs.
func (m *Model) GenerateIDs(ctx context.Context, prompt []int32, o Options) iter.Seq2[Piece, error] {
	return m.NewSession().GenerateIDs(ctx, prompt, o)
}

// Chat answers messages. See Session.Chat.
func (m *Model) Chat(ctx context.Context, messages []Message, o Options) iter.Seq2[Piece, error] {
	return m.NewSession().Chat(ctx, messages, o)
}

// ChatJSON answers a conversation in JSON. See Session.ChatJSON.
func (m *Model) ChatJSON(ctx context.Context, conversation []byte, o Options) iter.Seq2[Piece, error] {
	return m.NewSession().ChatJSON(ctx, conversation, o)
}

// Session is one text or conversation that goes on. What was computed for its beginning is kept, as for all of a model's
// requests, as long as there is memory; a Session can also be saved. It is not safe for concurrent use.
type Session struct {
	model *Model
	text  engine.Sequence // what was computed last
}

// NewSession returns an empty session.
func (m *Model) NewSession() *Session { return &Session{model: m} }

// Generate continues prompt and yields the answer piece by piece; the last piece has Finish and Stats. An error ends
// it, ctx.Err() if that was why; the session can be used on. Options that are out of range are an error.
func (s *Session) Generate(ctx context.Context, prompt string, o Options) iter.Seq2[Piece, error] {
	if o.LiteralContent {
		return s.runParts(ctx, s.model.text.LiteralParts(prompt), o)
	}
	return s.runParts(ctx, s.model.text.Parts(prompt), o)
}

// GenerateIDs is Generate for a prompt of token ids, which is taken as it is.
func (s *Session) GenerateIDs(ctx context.Context, prompt []int32, o Options) iter.Seq2[Piece, error] {
	return s.run(ctx, prompt, text.Marks{}, o)
}

// Chat answers the last of messages, as the model's chat template puts them, and yields the answer as Generate does.
// It is an error if the model has no chat template or the template refuses the messages.
func (s *Session) Chat(ctx context.Context, messages []Message, o Options) iter.Seq2[Piece, error] {
	r, err := request(messages, o.Tools, o.Documents)
	return s.chat(ctx, r, err, o)
}

// ChatJSON is Chat for a conversation in JSON: an object with messages and perhaps tools and documents, as in OpenAI's API, in
// place of those of o; further keys become variables of the template. The order of keys is kept, since a template may write
// objects as they are. The answer goes on the last message if continue_final_message is true.
func (s *Session) ChatJSON(ctx context.Context, conversation []byte, o Options) iter.Seq2[Piece, error] {
	r := chat.Request{}
	err := r.UnmarshalJSON(conversation)
	r.AddGenerationPrompt = r.AddGenerationPrompt || r.ContinueField == ""
	return s.chat(ctx, r, err, o)
}

// chat answers a request, unless it comes with an error.
func (s *Session) chat(ctx context.Context, r chat.Request, err error, o Options) iter.Seq2[Piece, error] {
	var p Prompt
	if err == nil {
		p, err = s.model.chatPrompt(r, o.LiteralContent)
	}
	if err != nil {
		return func(yield func(Piece, error) bool) { yield(Piece{}, err) }
	}
	return s.run(ctx, p.IDs, p.marks, o)
}

// runParts answers a prompt, of which no more is encoded than the context has room for.
func (s *Session) runParts(ctx context.Context, prompt text.Parts, o Options) iter.Seq2[Piece, error] {
	ids, err := s.model.within(prompt)
	if err != nil {
		return func(yield func(Piece, error) bool) { yield(Piece{}, err) }
	}
	return s.run(ctx, ids, text.Marks{}, o)
}

func (m *Model) within(prompt text.Parts) ([]int32, error) {
	return text.Within(prompt, m.network.Config.MaxPositionEmbeddings)
}

func (s *Session) run(ctx context.Context, prompt []int32, marks text.Marks, o Options) iter.Seq2[Piece, error] {
	m := s.model
	if err := m.validate(&o); err != nil {
		return func(yield func(Piece, error) bool) { yield(Piece{}, err) }
	}
	r := engine.Request{
		Prompt: prompt, MaxTokens: o.MaxTokens, StopTokens: slices.Concat(m.ends, o.StopIDs), Stop: o.Stop, Padded: m.padded, Sample: o.Sampling,
		Logprobs: o.Logprobs, TopTokens: o.TopTokens, Progress: o.Progress,
		EndRepetition: o.EndRepetition, Adapter: o.Adapter, Constraint: o.Constraint, Undo: o.Undo, Priority: o.Priority, Salt: o.Salt,
		Marks: prefix.Marks{Borders: marks.Borders, Turn: marks.Turn, Breakpoints: slices.Concat(marks.Asked, o.Breakpoints)}, ScorePrompt: o.ScorePrompt, ScoreFrom: o.ScoreFrom,
	}
	if o.IgnoreEnds {
		r.StopTokens = o.StopIDs
	}
	stream := m.text.Tokenizer.Stream(true)
	if o.WholeText {
		stream = m.text.Tokenizer.WholeStream(true)
	}
	if r.Text = stream; len(o.Show) > 0 {
		r.Text = &showing{Stream: stream, tokenizer: m.text.Tokenizer, shown: o.Show}
	}
	if o.Mask != nil {
		r.Constraint = engine.Mask(o.Mask)
	}
	if o.Lookup {
		r.Lookup, r.Ahead = true, lookupAhead
	}
	return func(yield func(Piece, error) bool) {
		s.text = r.Sequence(nil)
		r := r
		if o.Format != (Format{}) {
			g, err := m.compile(ctx, o.Format)
			if err != nil {
				yield(Piece{}, err)
				return
			}
			matcher := g.Matcher()
			defer matcher.Close()
			r.Constraint = formatted{matcher, r.Constraint}
		}
		for piece, err := range m.engine.Generate(ctx, r) {
			if err == nil && piece.Finish == "" {
				s.text.Tokens = append(s.text.Tokens, piece.ID)
			}
			if !yield(piece, err) {
				return
			}
		}
	}
}

// lookupAhead is how many tokens an answer with Options.Lookup may be ahead of its reader.
const lookupAhead = 8

// validate checks options, and says so if it is the model's files that are wrong.
func (m *Model) validate(o *Options) error {
	if o.Format != (Format{}) && o.IgnoreEnds {
		return errIgnoreEnds
	}
	err := o.Validate()
	if own := m.defaults.Validate(); err != nil && own != nil && own.Error() == err.Error() {
		return fmt.Errorf("the model's generation settings: %w; another value overrides it", err)
	}
	return err
}

// readGeneration sets what answers end with and how they are sampled, and which tokens are none.
func (m *Model) readGeneration() error {
	g, ends, warnings, err := m.checkpoint.Answers(m.text)
	if err != nil {
		return err
	}
	m.ends, m.warnings = ends, warnings
	m.defaults, m.sampled = defaults(&g), g.DoSample != nil
	for id := range int32(m.checkpoint.Config.VocabSize) {
		if m.text.Tokenizer.Padded(id) {
			m.padded = append(m.padded, id)
		}
	}
	return nil
}

// defaults returns the options that a checkpoint's settings ask for. As the reference does, it takes the most likely tokens
// unless do_sample is true, and then the 50 most likely ones unless top_k says otherwise. The reference's max_length of 20 is
// left out. Values may be out of range: a caller may replace them, and what is left is checked when there is an answer.
func defaults(g *checkpoint.Generation) Options {
	o := Options{MaxTokens: max(0, g.MaxNewTokens), Stop: g.StopStrings}
	o.RepetitionPenalty = g.RepetitionPenalty
	if g.Samples() {
		o.Temperature, o.TopK, o.TopP, o.MinP = g.SampleTemperature(), g.SampleTopK(), g.TopP, g.MinP
	}
	return o
}
