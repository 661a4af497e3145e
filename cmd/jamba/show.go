package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"jamba/checkpoint"
	"jamba/internal/printable"
	"jamba/model"
	"jamba/tensor"
)

type showCmd struct {
	modelFlag
	JSON bool `name:"json" help:"Print a JSON object."`
}

func (c *showCmd) Help() string {
	return `Active parameters are those that one token uses: all but those of the experts that the router does not choose.`
}

// summary is what show prints with --json.
type summary struct {
	Model                 string             `json:"model"`
	Architecture          string             `json:"architecture"`
	VocabSize             int                `json:"vocab_size"`
	HiddenSize            int                `json:"hidden_size"`
	MaxPositionEmbeddings int                `json:"max_position_embeddings"`
	TieWordEmbeddings     bool               `json:"tie_word_embeddings"`
	Params                int64              `json:"params"`
	ActiveParams          int64              `json:"active_params"`
	WeightBytes           int64              `json:"weight_bytes"`
	KVBytesPerToken       int64              `json:"kv_bytes_per_token"`      // in the exact pass
	KVBytesPerTokenFast   int64              `json:"kv_bytes_per_token_fast"` // in the fast pass
	KVBytesPerTokenQ8     int64              `json:"kv_bytes_per_token_q8_0"` // with --kv q8_0
	StateBytes            int64              `json:"state_bytes_per_sequence"`
	Ends                  []end              `json:"ends,omitempty"`   // tokens that end an answer
	Native                *checkpoint.Native `json:"native,omitempty"` // the layout, if it is that
	Layers                []layerSummary     `json:"layers"`
}

// end is a token that ends an answer.
type end struct {
	ID   int32  `json:"id"`
	Text string `json:"text"` // as the vocabulary spells it
}

type layerSummary struct {
	Mixer       string           `json:"mixer"`
	FeedForward string           `json:"feed_forward"`
	Attention   *model.Attention `json:"attention,omitempty"`
	Mamba       *model.Mamba     `json:"mamba,omitempty"`
	MLP         *model.MLP       `json:"mlp,omitempty"`
	MoE         *model.MoE       `json:"moe,omitempty"`
	model.Size
}

func (c *showCmd) Run(s *streams) error {
	path := c.orEmbedded()
	// A folder of weights alone is shown, too: without what its tokenizer would tell.
	var ends []end
	m, err := open(path, checkpoint.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	warnModel(s.err, m.from)
	words, err := m.from.Text()
	var ids []int32
	var warnings []string
	if err == nil {
		_, ids, warnings, err = m.from.Answers(words)
	}
	if err == nil {
		warn(s.err, warnings...)
		for _, id := range ids {
			token, _ := words.Tokenizer.Token(id)
			ends = append(ends, end{id, token})
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		warn(s.err, "what ends an answer is not known: "+err.Error())
	}
	sum := summarise(path, m)
	sum.Ends = ends
	if c.JSON {
		return writeJSON(s.out, sum)
	}
	return sum.print(s.out)
}

func summarise(path string, m opened) summary {
	total := m.Sizes().Total()
	sum := summary{
		Model: filepath.Base(path), Architecture: m.Config.Architecture, VocabSize: m.Config.VocabSize, HiddenSize: m.Config.HiddenSize,
		MaxPositionEmbeddings: m.Config.MaxPositionEmbeddings, TieWordEmbeddings: m.Config.TieWordEmbeddings,
		Params: total.Params, ActiveParams: total.ActiveParams, WeightBytes: total.Bytes,
		KVBytesPerToken: m.Config.KVBytesPerToken(model.Exact.KV()), KVBytesPerTokenFast: m.Config.KVBytesPerToken(model.Fast.KV()),
		KVBytesPerTokenQ8: m.Config.KVBytesPerToken(tensor.Q8_0), StateBytes: m.Config.StateBytes(),
		Native: m.from.Native,
	}
	for i, l := range m.Config.Layers {
		mixer, ff, _ := strings.Cut(l.String(), " + ")
		sum.Layers = append(sum.Layers, layerSummary{mixer, ff, l.Attention, l.Mamba, l.MLP, l.MoE, m.Sizes().Layers[i]})
	}
	return sum
}

func (s summary) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s, %d layers, hidden size %d, vocabulary %d\n", s.Model, s.Architecture, len(s.Layers), s.HiddenSize, s.VocabSize)
	fmt.Fprintf(w, "parameters\t%s, active %s\n", count(s.Params), count(s.ActiveParams))
	fmt.Fprintf(w, "weights\t%s\n", bytesize(s.WeightBytes))
	fmt.Fprintf(w, "keys and values\t%s a token, %s in the fast pass, %s with --kv q8_0\n",
		bytesize(s.KVBytesPerToken), bytesize(s.KVBytesPerTokenFast), bytesize(s.KVBytesPerTokenQ8))
	fmt.Fprintf(w, "Mamba states\t%s a sequence\n", bytesize(s.StateBytes))
	if s.MaxPositionEmbeddings > 0 {
		fmt.Fprintf(w, "context\t%d tokens\n", s.MaxPositionEmbeddings)
	}
	if len(s.Ends) > 0 {
		ends := make([]string, len(s.Ends))
		for i, e := range s.Ends {
			ends[i] = fmt.Sprintf("%s (%d)", printable.Cut(e.Text, 60), e.ID)
		}
		fmt.Fprintf(w, "answers end with\t%s\n", strings.Join(ends, ", "))
	}
	if s.Native != nil {
		fmt.Fprintf(w, "layout\tnative, version %d, panels of %d rows\n", s.Native.Version, s.Native.Rows)
		for _, f := range s.Native.Sources {
			fmt.Fprintf(w, "made from\t%s, SHA-256 %s\n", printable.Line(f.Name), f.SHA256)
		}
	}
	fmt.Fprint(w, "\nlayer\tmixer\tfeed-forward\tparameters\n")
	for i, l := range s.Layers {
		fmt.Fprintf(w, "%d\t%s\t%s", i, l.describe(), count(l.Params))
		if l.ActiveParams != l.Params {
			fmt.Fprintf(w, ", active %s", count(l.ActiveParams))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// describe returns the columns of the mixer and of the feed-forward.
func (l layerSummary) describe() string {
	var mixer, ff string
	if a := l.Attention; a != nil {
		mixer = fmt.Sprintf("attention  %d heads of %d, %d key/value", a.NumAttentionHeads, a.HeadDim, a.NumKeyValueHeads)
		if a.RoPE != nil {
			mixer += ", RoPE"
			if a.RoPE.Scaling != "" {
				mixer += " " + a.RoPE.Scaling
			}
		}
		if a.SlidingWindow > 0 {
			mixer += fmt.Sprintf(", window %d", a.SlidingWindow)
		}
	} else {
		mixer = fmt.Sprintf("mamba      d_inner %d, d_state %d, d_conv %d", l.Mamba.DInner, l.Mamba.DState, l.Mamba.DConv)
	}
	switch {
	case l.MLP != nil:
		ff = fmt.Sprintf("mlp  %d", l.MLP.IntermediateSize)
	case l.MoE != nil:
		ff = fmt.Sprintf("moe  %d of %d experts, %d", l.MoE.NumExpertsPerTok, l.MoE.NumExperts, l.MoE.IntermediateSize)
	default:
		ff = "-"
	}
	return mixer + "\t" + ff
}

// count writes a number of parameters, such as 51.57 B.
func count(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.2f %s", float64(n)/u.size, u.name)
		}
	}
	return fmt.Sprint(n)
}

// bytesize writes a number of bytes, such as 1.50 GiB.
func bytesize(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<u.shift {
			return fmt.Sprintf("%.2f %s", float64(n)/float64(int64(1)<<u.shift), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
