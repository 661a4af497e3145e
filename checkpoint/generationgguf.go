package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"jamba/format/gguf"
	"jamba/text"
)

// Keys of sampling defaults in GGUF (llama.cpp, gguf-py/gguf/constants.py).
const (
	samplingTemp    = "general.sampling.temp"
	samplingTopK    = "general.sampling.top_k"
	samplingTopP    = "general.sampling.top_p"
	samplingMinP    = "general.sampling.min_p"
	samplingPenalty = "general.sampling.penalty_repeat"
)

// Keys of our own, for what ends an answer and has no place in GGUF.
const (
	generationGreedy = "generation.greedy"         // the most likely tokens were asked for
	generationMax    = "generation.max_new_tokens" // tokens of an answer
	generationStop   = "generation.stop_strings"
	generationEnds   = "generation.eos_token_ids" // all of them, where eos, eot and eom do not hold them
)

// Generation reads what the checkpoint says of answers.
func (c *Checkpoint) Generation() (g Generation, err error) {
	if c.file == nil {
		return readGeneration(c.Path)
	}
	if g, err = generationOf(c.file.Metadata); err != nil {
		err = fmt.Errorf("%s: %w", c.Path, err)
	}
	return g, err
}

// Answers reads how answers are made: the settings; the tokens that end an answer, those that the settings name and those of
// the vocabulary that are the end of a turn or of a text by their spelling; and what a user should know of settings and
// tokenizer.
func (c *Checkpoint) Answers(t *text.Text) (g Generation, ends []int32, warnings []string, err error) {
	if g, err = c.Generation(); err != nil {
		return g, nil, nil, err
	}
	named, lost := c.Ends(&g)
	return g, text.Ends(t.Tokenizer, named), slices.Concat(g.Warnings, lost, t.Tokenizer.Warnings()), nil
}

// Ends returns the tokens that the settings say end an answer, less those that the network has no row for.
func (c *Checkpoint) Ends(g *Generation) (ids []int32, warnings []string) {
	config := &c.Config
	ids = slices.Concat(g.EOSTokenID, config.EOSTokenIDs)
	if g.EOSTokenID == nil && config.EOSTokenIDs == nil && c.file == nil {
		ids = []int32{config.DefaultEOS()}
	}
	ids = slices.DeleteFunc(ids, func(id int32) bool {
		out := id < 0 || int(id) >= config.VocabSize
		if out && id >= 0 {
			warnings = append(warnings, fmt.Sprintf("eos_token_id %d is not in the vocabulary of %d: it ends no answer", id, config.VocabSize))
		}
		return out
	})
	return ids, warnings
}

// FileEnds is how many tokens that end an answer GGUF has keys for: ends of a text, of a turn and of a message.
const FileEnds = 3

// Metadata returns the settings as metadata of a GGUF file whose answers end with the tokens ends.
func (g *Generation) Metadata(ends []int32) (meta gguf.Metadata) {
	put := func(key string, v any) { meta = append(meta, gguf.KV{Key: key, Value: v}) }
	topP, minP := 0.0, 0.0
	if g.Samples() {
		put(samplingTemp, float32(g.SampleTemperature()))
		put(samplingTopK, int32(g.SampleTopK()))
		topP, minP = g.TopP, g.MinP
	} else if g.DoSample != nil {
		put(generationGreedy, true)
	}
	for _, kv := range []struct {
		key string
		v   float64
	}{{samplingTopP, topP}, {samplingMinP, minP}, {samplingPenalty, g.RepetitionPenalty}} {
		if kv.v != 0 {
			put(kv.key, float32(kv.v))
		}
	}
	if g.MaxNewTokens > 0 {
		put(generationMax, uint32(min(g.MaxNewTokens, 1<<31)))
	}
	if len(g.StopStrings) > 0 {
		put(generationStop, []string(g.StopStrings))
	}
	if len(ends) > FileEnds {
		put(generationEnds, ends)
	}
	return meta
}

// generationOf reads what Metadata writes, and the keys of other programs. A file without a temperature does not ask for
// sampling.
func generationOf(meta gguf.Metadata) (g Generation, err error) {
	fail := func(e error) { err = cmp.Or(err, e) }
	// How to sample can be set again, so that is not worth an error.
	warn := func(e error) {
		if e != nil {
			g.Warnings = append(g.Warnings, e.Error()+": passed over")
		}
	}
	float := func(key string) float64 {
		v, e := gguf.GetOr(meta, key, float32(0))
		warn(e)
		return decimal(v)
	}
	switch temperature, e := gguf.Get[float32](meta, samplingTemp); {
	case e == nil:
		topK, e := gguf.GetOr(meta, samplingTopK, 0)
		warn(e)
		g.DoSample, g.Temperature, g.TopK = new(true), new(decimal(temperature)), &topK
	case !errors.Is(e, gguf.ErrNotFound):
		warn(e)
	default:
		greedy, e := gguf.GetOr(meta, generationGreedy, false)
		warn(e)
		if greedy {
			g.DoSample = new(false)
		}
	}
	g.TopP, g.MinP, g.RepetitionPenalty = float(samplingTopP), float(samplingMinP), float(samplingPenalty)
	var e error
	g.MaxNewTokens, e = gguf.GetOr(meta, generationMax, 0)
	warn(e)
	stop, e := gguf.GetOr[[]string](meta, generationStop, nil)
	warn(e)
	g.StopStrings = stop
	ends, e := gguf.GetOr[[]int](meta, generationEnds, nil)
	fail(e)
	for _, id := range ends {
		g.EOSTokenID = append(g.EOSTokenID, int32(id))
	}
	// What ends a stretch of completed code, as llama.cpp has it.
	for _, key := range []string{"fim_pad", "fim_rep", "fim_sep"} {
		id, e := gguf.GetOr(meta, "tokenizer.ggml."+key+"_token_id", -1)
		fail(e)
		if id >= 0 {
			g.EOSTokenID = append(g.EOSTokenID, int32(id))
		}
	}
	for _, key := range []string{"general.sampling.xtc_probability", "general.sampling.mirostat"} {
		if v, ok := meta.Lookup(key); ok && fmt.Sprint(v) != "0" {
			g.Warnings = append(g.Warnings, key+" is not supported: answers are made without it")
		}
	}
	return g, err
}

// decimal returns the shortest decimal number that is rounded to v: 0.8 and not 0.800000011920929.
func decimal(v float32) float64 {
	d, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return d
}
