package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"jamba/internal/printable"
	"jamba/text/chat"
)

// record is an object or a row by its fields.
type record map[string]json.RawMessage

// A form is a way to write a document: the fields that it needs, those that may stand beside, and what they make.
type form struct {
	needs, takes []string
	document     func(record) (Document, error)
}

// forms in the order in which they are looked for: what says most of what is trained comes first.
var forms = []form{
	{[]string{"input_ids"}, []string{"labels"}, idsDocument},
	{[]string{"messages"}, []string{"tools", "documents"}, func(r record) (Document, error) {
		delete(r, "system") // it is of shared conversations
		return chatDocument(r, "messages")
	}},
	{[]string{"conversations"}, []string{"system", "tools", "documents"}, func(r record) (Document, error) { return chatDocument(r, "conversations") }},
	{[]string{"prompt", "completion"}, nil, promptDocument},
	{[]string{"instruction", "output"}, []string{"input", "system", "history"}, instructionDocument},
	{[]string{"text"}, nil, func(r record) (Document, error) { return textDocument(r, "text") }},
	{[]string{"content"}, nil, func(r record) (Document, error) { return textDocument(r, "content") }},
}

const knownFields = "input_ids (and labels), messages, conversations, prompt and completion, instruction and output (and input), text, or content"

// isField tells whether a form needs that field.
func isField(name string) bool {
	return slices.ContainsFunc(forms, func(f form) bool { return slices.Contains(f.needs, name) })
}

// has tells whether there is such a field that is not null.
func (r record) has(name string) bool {
	raw := bytes.TrimSpace(r[name])
	return len(raw) > 0 && string(raw) != "null"
}

// document makes a document of a record.
func (r record) document() (Document, error) {
	if (r.has("role") || r.has("from")) && (r.has("content") || r.has("value")) {
		return Document{}, errors.New("it is a message and no document; a conversation is a list of them under messages")
	}
	for _, f := range forms {
		if !slices.ContainsFunc(f.needs, func(name string) bool { return !r.has(name) }) {
			return f.document(r)
		}
	}
	return Document{}, fmt.Errorf("none of %s is there; the fields are %s", knownFields, names(slices.Sorted(maps.Keys(r))))
}

// names lists names that a file has.
func names(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	var list []string
	for _, name := range all[:min(len(all), 10)] {
		list = append(list, printable.Cut(name, 40))
	}
	if n := len(all) - len(list); n > 0 {
		list = append(list, fmt.Sprintf("%d more", n))
	}
	return strings.Join(list, ", ")
}

// parseLine reads a document from a line of JSON.
func parseLine(b []byte, replaceUTF8 bool) (Document, error) {
	collect(len(b))
	b = bytes.TrimPrefix(b, byteOrderMark)
	if !utf8.Valid(b) {
		s, err := valid(string(b), replaceUTF8)
		if err != nil {
			return Document{}, err
		}
		b = []byte(s)
	}
	if parts(b, ":") > maxParts {
		return Document{}, fmt.Errorf("it has more than %d fields", maxParts)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return Document{}, fmt.Errorf("found a JSON %s, want an object", wrong.Value)
		}
		return Document{}, err
	}
	if r == nil {
		return Document{}, errors.New("found a JSON null, want an object")
	}
	return r.document()
}

// parseItem reads a document from an element of a list: an object, a text, or the messages of a conversation.
func parseItem(b []byte, replaceUTF8 bool) (Document, error) {
	switch b[0] {
	case '"':
		return parseLine(slices.Concat([]byte(`{"text":`), b, []byte("}")), replaceUTF8)
	case '[':
		return parseLine(slices.Concat([]byte(`{"messages":`), b, []byte("}")), replaceUTF8)
	}
	return parseLine(b, replaceUTF8)
}

// maxParts bounds what an object consists of where each part takes far more memory than its bytes.
const maxParts = 1 << 18

// parts counts those of the bytes that stand outside of strings in JSON.
func parts(b []byte, of string) (n int) {
	if len(b) <= maxParts {
		return 0 // they cannot be too many
	}
	var counts [256]bool
	for _, c := range []byte(of) {
		counts[c] = true
	}
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && counts[c]:
			n++
		}
	}
	return n
}

// list takes the messages of a field out.
func (r record) list(name, want string) ([]json.RawMessage, error) {
	if parts(r[name], ",:[{") > maxParts {
		return nil, fmt.Errorf("%s: it has more than %d parts", name, maxParts)
	}
	size := len(r[name])
	list, err := decode[[]json.RawMessage](r, name, want)
	delete(r, name) // the list is another copy
	collect(size)
	return list, err
}

// decode reads a field.
func decode[T any](r record, name, want string) (v T, err error) {
	if !r.has(name) {
		return v, nil
	}
	if err = json.Unmarshal(r[name], &v); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return v, fmt.Errorf("%s: found a JSON %s, want %s", name, printable.Cut(wrong.Value, 40), want)
		}
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

func textDocument(r record, name string) (Document, error) {
	text, err := decode[string](r, name, "a string")
	return Document{Text: text}, err
}

func idsDocument(r record) (Document, error) {
	const list = "a list of token ids"
	ids, err := decode[[]int32](r, "input_ids", list)
	labels, err2 := decode[[]int32](r, "labels", list)
	if err := errors.Join(err, err2); err != nil {
		return Document{}, err
	}
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

// promptDocument reads a prompt and its completion, of which the completion is trained: texts that follow one another as
// they are, or messages.
func promptDocument(r record) (Document, error) {
	if bytes.HasPrefix(bytes.TrimSpace(r["prompt"]), []byte("[")) {
		const list = "a list of messages, as the prompt is"
		prompt, err := r.list("prompt", list)
		completion, err2 := r.list("completion", list)
		if err := errors.Join(err, err2); err != nil {
			return Document{}, err
		}
		delete(r, "system") // it is of shared conversations
		d, err := chatOf(r, append(slices.Clip(prompt), completion...))
		d.Given = len(prompt)
		return d, err
	}
	prompt, err := decode[string](r, "prompt", "a string or a list of messages")
	completion, err2 := decode[string](r, "completion", "a string, as the prompt is")
	clear(r)
	collect(len(prompt) + len(completion))
	return Document{Text: prompt + completion, Given: len(prompt)}, errors.Join(err, err2)
}

// instructionDocument reads what Alpaca's data have: an instruction, perhaps with an input, and the answer; history, if there
// is any, are pairs of the instructions and answers before.
func instructionDocument(r record) (Document, error) {
	const text = "a string"
	instruction, err := decode[string](r, "instruction", text)
	input, err2 := decode[string](r, "input", text)
	output, err3 := decode[string](r, "output", text)
	system, err4 := decode[string](r, "system", text)
	pairs, err5 := r.list("history", "a list of pairs of texts")
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return Document{}, err
	}
	if input != "" {
		instruction += "\n\n" + input
	}
	var messages []chat.Message
	if system != "" {
		messages = append(messages, chat.Message{Role: "system", Content: system})
	}
	turn := func(asked, said string) {
		messages = append(messages, chat.Message{Role: "user", Content: asked}, chat.Message{Role: "assistant", Content: said})
	}
	for i, raw := range pairs {
		var pair []*string
		if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 || pair[0] == nil || pair[1] == nil {
			return Document{}, fmt.Errorf("history[%d]: want a pair of texts, an instruction and its answer", i)
		}
		turn(*pair[0], *pair[1])
	}
	turn(instruction, output)
	request := chat.NewRequest(messages...)
	request.AddGenerationPrompt = false
	return Document{Chat: &request}, nil
}

// chatDocument reads a conversation from the field of that name.
func chatDocument(r record, name string) (Document, error) {
	messages, err := r.list(name, "a list of messages")
	if err != nil {
		return Document{}, err
	}
	return chatOf(r, messages)
}

// chatOf makes a conversation; fields that are none of it do not become variables of the template.
func chatOf(r record, messages []json.RawMessage) (Document, error) {
	system, err := decode[string](r, "system", "a string")
	if err != nil {
		return Document{}, err
	}
	for i, raw := range messages {
		var m record
		if !bytes.Contains(raw, []byte(`"from"`)) || json.Unmarshal(raw, &m) != nil || m.has("role") || !m.has("from") {
			continue
		}
		if messages[i], err = m.shared(); err != nil {
			return Document{}, fmt.Errorf("messages[%d]: %w", i, err)
		}
		if i == 0 && string(bytes.TrimSpace(m["from"])) == `"system"` {
			system = ""
		}
	}
	if system != "" {
		first, err := json.Marshal(map[string]string{"role": "system", "content": system})
		if err != nil {
			return Document{}, err
		}
		messages = slices.Insert(messages, 0, first)
	}
	size := 100 + len(messages) + len(r["tools"]) + len(r["documents"])
	for _, m := range messages {
		size += len(m)
	}
	b := append(make([]byte, 0, size), `{"messages":[`...)
	for i, m := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m...)
	}
	b = append(b, ']')
	for _, name := range []string{"tools", "documents"} {
		if parts(r[name], ",:[{") > maxParts {
			return Document{}, fmt.Errorf("%s: it has more than %d parts", name, maxParts)
		}
		if r.has(name) {
			b = append(fmt.Appendf(b, ",%q:", name), r[name]...)
		}
	}
	b = append(b, '}')
	clear(messages) // which the caller holds
	collect(len(b))
	c := new(chat.Request)
	if err := json.Unmarshal(b, c); err != nil {
		return Document{}, err
	}
	return Document{Chat: c}, nil
}

// speakers are the roles of those who speak in shared conversations, in which a message has from and value.
var speakers = map[string]string{
	"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
	"system": "system",
}

// shared returns a message of from and value as one of role and content.
func (r record) shared() (json.RawMessage, error) {
	from, err := decode[string](r, "from", "a string")
	value, err2 := decode[string](r, "value", "a string")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	role := speakers[from]
	if role == "" {
		return nil, fmt.Errorf("it is from %q; %s are known", printable.Cut(from, 40), strings.Join(slices.Sorted(maps.Keys(speakers)), ", "))
	}
	return json.Marshal(map[string]string{"role": role, "content": value})
}
