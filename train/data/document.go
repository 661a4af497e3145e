package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"jamba/text/chat"
)

// Ignore is the label of a token that is not trained, and the target where there is nothing to learn.
const Ignore = -100

// Document is one piece of training material as its file has it: ids if it has any, else a conversation, else a text.
type Document struct {
	Place  string // where it stands, such as "file:line"
	Text   string
	Chat   *chat.Request // without add_generation_prompt
	IDs    []int32
	Labels []int32 // of IDs, each the id itself or Ignore; nil: all are trained

	bytes int // that it takes in its file, or about so
}

// corrupt is an error in one document, after which its file can be read on.
type corrupt struct {
	place string
	err   error
}

func (c *corrupt) Error() string { return c.place + ": " + c.err.Error() }
func (c *corrupt) Unwrap() error { return c.err }

// maxTokens bounds the ids of one document.
const maxTokens = 1 << 28

// line is a line of a JSONL file; other keys are left alone.
type line struct {
	Text      *string         `json:"text"`
	Messages  json.RawMessage `json:"messages"`
	Tools     json.RawMessage `json:"tools"`
	Documents json.RawMessage `json:"documents"`
	InputIDs  []int32         `json:"input_ids"`
	Labels    []int32         `json:"labels"`
}

// parseLine reads a document from a line of JSON.
func parseLine(b []byte, replaceUTF8 bool) (Document, error) {
	s, err := valid(string(b), replaceUTF8)
	if err != nil {
		return Document{}, err
	}
	b = []byte(s)
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			if wrong.Field == "" {
				return Document{}, fmt.Errorf("found a JSON %s, want an object", wrong.Value)
			}
			return Document{}, fmt.Errorf("%s: found a JSON %s; text is a string, input_ids and labels are lists of token ids", wrong.Field, wrong.Value)
		}
		return Document{}, err
	}
	switch {
	case l.InputIDs != nil:
		return idsDocument(l.InputIDs, l.Labels)
	case present(l.Messages):
		return chatDocument(l)
	case l.Text != nil:
		return Document{Text: *l.Text}, nil
	}
	return Document{}, errors.New("none of text, messages and input_ids is there")
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func idsDocument(ids, labels []int32) (Document, error) {
	if labels != nil && len(labels) != len(ids) {
		return Document{}, fmt.Errorf("%d labels for %d input_ids", len(labels), len(ids))
	}
	for i, label := range labels {
		if label != Ignore && label != ids[i] {
			return Document{}, fmt.Errorf("labels[%d] is %d, want %d or the id that stands there, %d", i, label, Ignore, ids[i])
		}
	}
	return Document{IDs: ids, Labels: labels}, nil
}

// chatDocument reads a conversation; keys that are none of a conversation do not become variables of the template.
func chatDocument(l line) (Document, error) {
	request := map[string]json.RawMessage{"messages": l.Messages}
	if present(l.Tools) {
		request["tools"] = l.Tools
	}
	if present(l.Documents) {
		request["documents"] = l.Documents
	}
	b, err := json.Marshal(request)
	if err != nil {
		return Document{}, err
	}
	r := new(chat.Request)
	if err := json.Unmarshal(b, r); err != nil {
		return Document{}, err
	}
	return Document{Chat: r}, nil
}

// valid returns s if it is valid UTF-8, and else an error or s with U+FFFD in the place of what is not.
func valid(s string, replace bool) (string, error) {
	if utf8.ValidString(s) {
		return s, nil
	}
	if replace {
		return strings.ToValidUTF8(s, "\uFFFD"), nil
	}
	at := 0
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return "", fmt.Errorf("byte %d, %#02x, is not valid UTF-8", at, s[at])
}
