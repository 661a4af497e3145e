package jamba

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"jamba/format/gguf"
)

// Keys of sampling defaults in GGUF (llama.cpp, gguf-py/gguf/constants.py).
const (
	samplingTemp    = "general.sampling.temp"
	samplingTopK    = "general.sampling.top_k"
	samplingTopP    = "general.sampling.top_p"
	samplingMinP    = "general.sampling.min_p"
	samplingPenalty = "general.sampling.penalty_repeat"
)

// SamplingMetadata returns what the folder's generation_config.json says of sampling as metadata of a GGUF file: nothing
// if it does not ask for sampling.
func SamplingMetadata(dir string) (gguf.Metadata, error) {
	c, err := readGeneration(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, generationFile), err)
	}
	if !c.DoSample {
		return nil, nil
	}
	d := c.sampling()
	meta := gguf.Metadata{{Key: samplingTemp, Value: float32(d.Temperature)}, {Key: samplingTopK, Value: int32(d.TopK)}}
	for _, kv := range []struct {
		key string
		v   float64
	}{{samplingTopP, d.TopP}, {samplingMinP, d.MinP}, {samplingPenalty, d.RepetitionPenalty}} {
		if kv.v != 0 {
			meta = append(meta, gguf.KV{Key: kv.key, Value: float32(kv.v)})
		}
	}
	return meta, nil
}

// samplingOf reads what SamplingMetadata writes. A file without a temperature does not ask for sampling.
func samplingOf(meta gguf.Metadata) (c generationConfig, err error) {
	temperature, err := gguf.Get[float32](meta, samplingTemp)
	if errors.Is(err, gguf.ErrNotFound) {
		return c, nil
	}
	topK, topKErr := gguf.GetOr(meta, samplingTopK, 0)
	float := func(key string) float64 {
		v, floatErr := gguf.GetOr(meta, key, float32(0))
		err = errors.Join(err, floatErr)
		return decimal(v)
	}
	c = generationConfig{DoSample: true, Temperature: new(decimal(temperature)), TopK: &topK}
	c.TopP, c.MinP, c.RepetitionPenalty = float(samplingTopP), float(samplingMinP), float(samplingPenalty)
	return c, errors.Join(err, topKErr)
}

// decimal returns the shortest decimal number that is rounded to v: 0.8 and not 0.800000011920929.
func decimal(v float32) float64 {
	d, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return d
}
