package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"jamba/serve/turn"
)

// Limits of requests: more is an error.
const (
	maxStops  = 64
	maxN      = 128
	maxTop    = 20
	maxLength = 1 << 30
)

// sampling are the fields that chats and completions have in common, those of OpenAI first.
type sampling struct {
	Model            string             `json:"model"`
	Stream           bool               `json:"stream"`
	StreamOptions    *streamOptions     `json:"stream_options"`
	N                *int               `json:"n"`
	MaxTokens        *int               `json:"max_tokens"`
	Temperature      *float64           `json:"temperature"`
	TopP             *float64           `json:"top_p"`
	PresencePenalty  *float64           `json:"presence_penalty"`
	FrequencyPenalty *float64           `json:"frequency_penalty"`
	LogitBias        map[string]float64 `json:"logit_bias"`
	Seed             *int64             `json:"seed"`
	Stop             json.RawMessage    `json:"stop"`

	TopK              *int     `json:"top_k"`
	MinP              *float64 `json:"min_p"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
	StopTokenIDs      []int32  `json:"stop_token_ids"`
	IgnoreEOS         bool     `json:"ignore_eos"`
	MinTokens         int      `json:"min_tokens"`
	CacheSalt         string   `json:"cache_salt"`
	Priority          int      `json:"priority"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// request checks the fields and returns what they ask for.
func (s *sampling) request() (*turn.Request, error) {
	stop, err := stops(s.Stop)
	if err == nil {
		err = cmp.Or(
			turn.Check("n", s.N, 1, maxN), turn.Check("max_tokens", s.MaxTokens, 0, maxLength), turn.Check("temperature", s.Temperature, 0, 2),
			turn.Check("top_p", s.TopP, math.SmallestNonzeroFloat64, 1), turn.Check("presence_penalty", s.PresencePenalty, -2, 2),
			turn.Check("frequency_penalty", s.FrequencyPenalty, -2, 2), turn.Check("top_k", s.TopK, -1, math.MaxInt32),
			turn.Check("min_p", s.MinP, 0, 1), turn.Check("repetition_penalty", s.RepetitionPenalty, math.SmallestNonzeroFloat64, 100),
			turn.Check("min_tokens", &s.MinTokens, 0, maxLength), turn.Check("priority", &s.Priority, -1000, 1000),
		)
	}
	if err != nil {
		return nil, err
	}
	r := &turn.Request{
		Model: s.Model, N: 1, Stream: s.Stream, MaxTokens: s.MaxTokens, MinTokens: s.MinTokens, Stop: stop, StopIDs: s.StopTokenIDs,
		IgnoreEnds: s.IgnoreEOS, Temperature: s.Temperature, TopP: s.TopP, MinP: s.MinP, TopK: s.TopK, RepetitionPenalty: s.RepetitionPenalty,
		PresencePenalty: s.PresencePenalty, FrequencyPenalty: s.FrequencyPenalty, Salt: s.CacheSalt, Priority: s.Priority,
	}
	if s.N != nil {
		r.N = *s.N
	}
	if s.Seed != nil {
		r.Seed = new(uint64(*s.Seed))
	}
	if len(s.LogitBias) > 0 {
		r.LogitBias = map[int32]float64{}
	}
	for key, bias := range s.LogitBias {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 {
			return nil, turn.Invalid("logit_bias", "%.20q is no token id", key)
		}
		if err := turn.Check("logit_bias."+key, &bias, -100, 100); err != nil {
			return nil, err
		}
		r.LogitBias[int32(id)] = bias
	}
	return r, nil
}

// null reports whether a field is absent.
func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// stops reads a stop string or a list of such.
func stops(raw json.RawMessage) (list []string, err error) {
	if null(raw) {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		list = []string{one}
	} else if json.Unmarshal(raw, &list) != nil {
		return nil, turn.Invalid("stop", "want a string or an array of strings")
	}
	if len(list) > maxStops {
		return nil, turn.Invalid("stop", "%d strings, at most %d may be", len(list), maxStops)
	}
	for i, s := range list {
		if s == "" || len(s) > 1024 {
			return nil, turn.Invalid(fmt.Sprintf("stop[%d]", i), "%d bytes, want 1 to 1024", len(s))
		}
	}
	return list, nil
}

// textParts are the kinds of a content's parts that are text.
var textParts = map[string]bool{"text": true, "input_text": true, "output_text": true, "refusal": true, "summary_text": true, "reasoning_text": true}

// content reads a content, a string or an array of parts of text; nil if there is none.
func content(param string, raw json.RawMessage) (*string, error) {
	if null(raw) {
		return nil, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return &text, nil
	}
	var parts []struct {
		Type    string  `json:"type"`
		Text    *string `json:"text"`
		Refusal *string `json:"refusal"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return nil, turn.Invalid(param, "want a string or an array of parts with type and text")
	}
	var b bytes.Buffer
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", param, i)
		switch {
		case p.Type != "" && !textParts[p.Type]:
			return nil, turn.Invalid(at+".type", "%.40q is not supported: the model reads text alone", p.Type)
		case p.Text != nil:
			b.WriteString(*p.Text)
		case p.Refusal != nil:
			b.WriteString(*p.Refusal)
		default:
			return nil, turn.Invalid(at+".text", "missing")
		}
	}
	return new(b.String()), nil
}

// vars reads an object whose keys become variables of the chat template, in their order.
func vars(param string, raw json.RawMessage) ([]turn.Var, error) {
	if null(raw) {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, turn.Invalid(param, "want an object")
	}
	var list []turn.Var
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, turn.Invalid(param, "%v", err)
		}
		v := turn.Var{Name: key.(string)}
		if err := d.Decode(&v.Value); err != nil {
			return nil, turn.Invalid(param, "%v", err)
		}
		switch v.Name {
		case "messages", "tools", "documents", "add_generation_prompt", "continue_final_message":
			return nil, turn.Invalid(param, "%s is a field of the request", v.Name)
		}
		list = append(list, v)
	}
	return list, nil
}

// format reads a format of answers, as the chat API has it or, flat, the responses API.
func format(param string, raw json.RawMessage) (*turn.Format, error) {
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
		Nested *struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if null(raw) {
		return nil, nil
	}
	if json.Unmarshal(raw, &f) != nil {
		return nil, turn.Invalid(param, "want an object with a type")
	}
	switch f.Type {
	case "", "text":
		return nil, nil
	case "json_object":
		return &turn.Format{Param: param, Schema: turn.AnyObject}, nil
	case "json_schema":
		at := param + ".schema"
		if f.Nested != nil || f.Schema == nil && param == "response_format" {
			at = param + ".json_schema.schema"
		}
		if f.Nested != nil {
			f.Schema = f.Nested.Schema
		}
		if null(f.Schema) {
			return nil, turn.Invalid(at, "missing")
		}
		return &turn.Format{Param: at, Schema: f.Schema}, nil
	}
	return nil, turn.Invalid(param+".type", "%.40q is not known; text, json_object and json_schema are", f.Type)
}
