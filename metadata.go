package jamba

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"jamba/format/gguf"
	"jamba/model"
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

// Metadata returns what a folder in Hugging Face layout has beside its weights as metadata of a GGUF file: tokenizer, chat
// templates and how answers are sampled; the tokens that end an answer, which model.Export has to be told; and what is
// lost on the way. If there is no tokenizer, the error wraps fs.ErrNotExist and all the rest is returned.
func Metadata(dir string) (meta gguf.Metadata, ends []int32, lost []string, err error) {
	config, err := model.ReadConfig(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := readGeneration(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	lost = c.warnings
	named, warnings := c.named(&config, true)
	lost = append(lost, warnings...)
	tokenizer, meta, missed, err := text.Export(dir, config.VocabSize)
	lost = append(lost, missed...)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, lost, err
	}
	if ends = named; err == nil {
		ends = text.Ends(tokenizer, named)
	}
	return append(meta, c.metadata(ends)...), ends, lost, err
}

// named returns the tokens that the settings of a folder or of a GGUF file say end an answer, less those that the network has
// no row for.
func (c *generationConfig) named(config *model.Config, folder bool) (ids []int32, warnings []string) {
	ids = slices.Concat(c.EOSTokenID, config.EOSTokenIDs)
	if c.EOSTokenID == nil && config.EOSTokenIDs == nil && folder {
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

// metadata returns the settings as metadata of a GGUF file whose answers end with the tokens ends.
func (c *generationConfig) metadata(ends []int32) (meta gguf.Metadata) {
	put := func(key string, v any) { meta = append(meta, gguf.KV{Key: key, Value: v}) }
	o := c.options()
	if c.samples() {
		put(samplingTemp, float32(o.Temperature))
		put(samplingTopK, int32(o.TopK))
	} else if c.DoSample != nil {
		put(generationGreedy, true)
	}
	for _, kv := range []struct {
		key string
		v   float64
	}{{samplingTopP, o.TopP}, {samplingMinP, o.MinP}, {samplingPenalty, o.RepetitionPenalty}} {
		if kv.v != 0 {
			put(kv.key, float32(kv.v))
		}
	}
	if o.MaxTokens > 0 {
		put(generationMax, uint32(min(o.MaxTokens, 1<<31)))
	}
	if len(o.Stop) > 0 {
		put(generationStop, []string(o.Stop))
	}
	if len(ends) > model.FileEnds {
		put(generationEnds, ends)
	}
	return meta
}

// generationOf reads what metadata writes, and the keys of other programs. A file without a temperature does not ask for
// sampling.
func generationOf(meta gguf.Metadata) (c generationConfig, err error) {
	fail := func(e error) { err = cmp.Or(err, e) }
	// How to sample can be set anew, so that is not worth an error.
	warn := func(e error) {
		if e != nil {
			c.warnings = append(c.warnings, e.Error()+": passed over")
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
		c.DoSample, c.Temperature, c.TopK = new(true), new(decimal(temperature)), &topK
	case !errors.Is(e, gguf.ErrNotFound):
		warn(e)
	default:
		greedy, e := gguf.GetOr(meta, generationGreedy, false)
		warn(e)
		if greedy {
			c.DoSample = new(false)
		}
	}
	c.TopP, c.MinP, c.RepetitionPenalty = float(samplingTopP), float(samplingMinP), float(samplingPenalty)
	var e error
	c.MaxNewTokens, e = gguf.GetOr(meta, generationMax, 0)
	warn(e)
	stop, e := gguf.GetOr[[]string](meta, generationStop, nil)
	warn(e)
	c.StopStrings = stop
	ends, e := gguf.GetOr[[]int](meta, generationEnds, nil)
	fail(e)
	for _, id := range ends {
		c.EOSTokenID = append(c.EOSTokenID, int32(id))
	}
	// What ends a stretch of completed code, as llama.cpp has it.
	for _, key := range []string{"fim_pad", "fim_rep", "fim_sep"} {
		id, e := gguf.GetOr(meta, "tokenizer.ggml."+key+"_token_id", -1)
		fail(e)
		if id >= 0 {
			c.EOSTokenID = append(c.EOSTokenID, int32(id))
		}
	}
	for _, key := range []string{"general.sampling.xtc_probability", "general.sampling.mirostat"} {
		if v, ok := meta.Lookup(key); ok && fmt.Sprint(v) != "0" {
			c.warnings = append(c.warnings, key+" is not supported: answers are made without it")
		}
	}
	return c, err
}

// decimal returns the shortest decimal number that is rounded to v: 0.8 and not 0.800000011920929.
func decimal(v float32) float64 {
	d, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return d
}
