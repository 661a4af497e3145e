package reply

import (
	"crypto/rand"
	"fmt"
	"strings"

	"jamba/text/chat"
	"jamba/text/tokenizer"
)

// Format says how a model writes calls of tools.
type Format struct {
	Name  string
	open  string // begins calls
	close string // ends them; "": the end of the answer does
	bare  bool   // a JSON object at the beginning of the answer or of a line may be a call, too
	named bool   // a call may be a name, [ARGS] and its arguments
	skip  string // what may stand around calls, beside white space
	sign  string // in a chat template, of this format
	short bool   // calls' ids are 9 letters and digits: Mistral's templates refuse others
}

// Formats are the known formats. Their names are what vLLM's parsers are called.
var Formats = []*Format{
	{Name: "jamba", open: "<tool_calls>", close: "</tool_calls>", skip: "[],", sign: "<tool_calls>"},
	{Name: "hermes", open: "<tool_call>", close: "</tool_call>", skip: "[],", sign: "<tool_call>"},
	{Name: "mistral", open: "[TOOL_CALLS]", skip: "[],", named: true, sign: "[TOOL_CALLS]", short: true},
	{Name: "llama3_json", open: "<|python_tag|>", bare: true, skip: "[],;", sign: "<|start_header_id|>"},
}

// Find returns the format of a name; nil for none and "".
func Find(name string) (*Format, error) {
	if name == "" || name == "none" {
		return nil, nil
	}
	var names []string
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("the format of tool calls %.30q is not known; none, %s are", name, strings.Join(names, ", "))
}

// Of returns the format that a model's chat templates write calls in, nil if they write none.
func Of(t *chat.Templates) *Format {
	if t == nil {
		return nil
	}
	for _, name := range []string{"tool_use", "default"} {
		if own, err := t.Get(name); err == nil {
			if f := detect(own.Source()); f != nil {
				return f
			}
		}
	}
	return nil
}

func detect(template string) *Format {
	for _, f := range Formats {
		if strings.Contains(template, f.sign) {
			return f
		}
	}
	return nil
}

// find returns where a text may begin calls, and the length of what says so; -1 if nowhere.
func (f *Format) find(text string) (at, length int) {
	at, length = strings.Index(text, f.open), len(f.open)
	if line := strings.Index(text, "\n{"); f.bare && line >= 0 && (at < 0 || line < at) {
		return line + 1, 0
	}
	return at, length
}

// CallID returns an id for a call, another one each time.
func (f *Format) CallID() string {
	if f.short {
		return rand.Text()[:9]
	}
	return "call_" + rand.Text()[:24]
}

// Control returns the control tokens of a vocabulary whose text a reader of answers has to see: those around thoughts, and those of
// calls.
func Control(t *tokenizer.Tokenizer) (thoughts, calls []int32) {
	add := func(ids *[]int32, marks ...string) {
		for _, mark := range marks {
			if id, ok := t.ID(mark); ok && t.IsSpecial(id) {
				*ids = append(*ids, id)
			}
		}
	}
	add(&thoughts, thinkOpen, thinkClose)
	add(&calls, args)
	for _, f := range Formats {
		add(&calls, f.open, f.close)
	}
	return thoughts, calls
}

// Opened reports whether a prompt has begun a thought at its end.
func Opened(t *tokenizer.Tokenizer, prompt []int32) bool {
	end := prompt[max(0, len(prompt)-16):]
	return strings.HasSuffix(strings.TrimRight(t.Decode(end, false), " \n"), thinkOpen)
}
