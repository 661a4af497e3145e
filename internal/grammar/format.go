// Package grammar holds answers to formats: it computes which tokens of a vocabulary may come next. See docs/design/engine.md.
package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Format is what an answer has to be. Two are equal if they were made of the same; the zero Format is any text.
type Format struct {
	kind kind
	text string
}

type kind string

const (
	jsonSchema kind = "JSON schema"
	regex      kind = "regular expression"
	lark       kind = "Lark grammar"
)

// maxText bounds what a format is made of, in bytes.
const maxText = 1 << 20

// JSONSchema is JSON text that a schema allows. Members of objects come in the order of the schema's properties.
func JSONSchema(schema []byte) Format { return Format{jsonSchema, string(schema)} }

// JSONObject is any JSON object.
func JSONObject() Format { return Format{jsonSchema, `{"type":"object"}`} }

// Regex is a text that a regular expression matches as a whole, in the syntax of Rust's regex crate, without lookaround.
func Regex(pattern string) Format { return Format{regex, pattern} }

// Choice is one of several texts.
func Choice(texts ...string) Format {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return Format{regex, strings.Join(quoted, "|")}
}

// Lark is a text of a context-free grammar in llguidance's variant of Lark's syntax, whose rule start is the answer. %json before a
// schema is JSON of it, <[5]> the control token 5.
func Lark(grammar string) Format { return Format{lark, grammar} }

// String names the kind of format.
func (f Format) String() string { return string(f.kind) }

// source is a grammar of llguidance's.
type source struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"json_schema,omitempty"`
	Lark   string          `json:"lark_grammar,omitempty"`
}

// serialize returns the grammar as llguidance takes it. With space a space may stand before the answer.
func (f Format) serialize(space bool) ([]byte, error) {
	if len(f.text) > maxText {
		return nil, fmt.Errorf("has %d bytes, at most %d are taken", len(f.text), maxText)
	}
	if f.kind == lark && f.text == "" {
		return nil, errors.New("is empty")
	}
	answer := source{Name: "answer", Lark: f.text}
	switch f.kind {
	case jsonSchema:
		schema, err := withOptions([]byte(f.text))
		if err != nil {
			return nil, err
		}
		answer.Lark, answer.Schema = "", schema
	case lark:
		answer.Lark = withSchemas(f.text)
	case regex:
		answer.Lark = "start: /" + slashed(f.text) + "/"
	}
	all := []source{answer}
	if space {
		all = []source{{Name: "text", Lark: `start: " "? @answer`}, answer}
	}
	return json.Marshal(map[string]any{"grammars": all})
}

// whiteSpace is what may stand between the tokens of JSON: what printers write. A model that is free to can go on with
// white space without end.
const whiteSpace = ` |\r?\n[ \t]{0,40}`

// withOptions returns a schema with what llguidance is to know beside it.
func withOptions(schema []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	schema = bytes.TrimSpace(schema)
	switch err := json.Unmarshal(schema, &members); {
	case !json.Valid(schema):
		return nil, fmt.Errorf("is not JSON: %w", err)
	case string(schema) == "true":
		schema = []byte("{}")
	case err != nil || members == nil:
		return nil, fmt.Errorf("is %.20s, want an object", schema)
	}
	options, err := json.Marshal(map[string]any{"whitespace_pattern": whiteSpace})
	if err != nil {
		return nil, err
	}
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	// The order of keys is that of the answer, and the last of several of the same name counts.
	return fmt.Appendf(nil, `%s%s"x-guidance":%s}`, schema[:len(schema)-1], comma, options), nil
}

// withSchemas does the same to the schemas in a grammar of Lark's.
func withSchemas(text string) string {
	const mark = "%json"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(mark)
		var schema json.RawMessage
		d := json.NewDecoder(strings.NewReader(after))
		if d.Decode(&schema) == nil {
			if with, err := withOptions(schema); err == nil {
				b.Write(with)
				after = after[d.InputOffset():]
			}
		}
		text = after
	}
}

// slashed returns a regular expression as it stands between slashes.
func slashed(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			b.WriteString(pattern[i : i+2])
			i++
		case c == '/':
			b.WriteString(`\/`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
