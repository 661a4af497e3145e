package reply

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Tool is one that an answer may call.
type Tool struct {
	Name      string
	Arguments json.RawMessage // a JSON schema of them
}

// Grammar says what an answer has to be, for those that are held to it.
type Grammar struct {
	Says    string // an expression of Lark's for what is said in place of calls; "": nothing, a tool has to be called
	Tools   []Tool
	Format  *Format // of calls; may be nil if there are no tools
	OneCall bool    // not more
	Thinks  Thinks
	// Control returns the id of a control token of that spelling; nil: there are none, all is text.
	Control func(text string) (id int32, ok bool)
}

// Thinks says whether thoughts come before the answer.
type Thinks int

// The choices.
const (
	NoThought  Thinks = iota
	MayThink          // an answer may begin with a thought
	HasThought        // the prompt has begun one
)

// Lark writes the grammar in llguidance's variant of Lark's syntax.
func (g *Grammar) Lark() string {
	var rules strings.Builder
	answer := g.Says
	if len(g.Tools) > 0 {
		calls := g.calls(&rules)
		if answer == "" {
			answer = calls
		} else {
			answer += " | " + calls
		}
	}
	fmt.Fprintf(&rules, "answer: %s\n", answer)
	if g.Says == AnyText {
		fmt.Fprintf(&rules, "TEXT: %s\n", g.text())
	}
	start := "answer"
	if g.Thinks != NoThought {
		start = g.until(&rules, "thought", thinkClose) + ` /[ \n]{0,4}/ answer`
		if g.Thinks == MayThink {
			start = "(" + g.mark(thinkOpen) + " " + start + ") | answer"
		}
	}
	return "start: " + start + "\n" + rules.String()
}

// AnyText is any text but calls and thoughts, for Grammar.Says.
const AnyText = "TEXT"

// text returns a regular expression for it.
func (g *Grammar) text() string {
	text := `/(.|\n)*/`
	not := func(mark string) {
		if _, ok := g.control(mark); !ok && mark != "" {
			text += ` & ~/(.|\n)*` + quotedRegex(mark) + `(.|\n)*/`
		}
	}
	if g.Thinks == MayThink {
		not(thinkOpen)
	}
	if g.Format != nil {
		not(g.Format.open)
		if g.Format.bare {
			text += ` & ~/((.|\n)*\n|\s*)\{(.|\n)*/`
		}
	}
	return text
}

// calls writes the rules of calls and returns an expression for them.
func (g *Grammar) calls(rules *strings.Builder) string {
	f := g.Format
	arguments := "arguments"
	if f.bare {
		arguments = "parameters"
	}
	names := make([]string, len(g.Tools))
	for i, t := range g.Tools {
		names[i] = fmt.Sprintf("call_%d", i)
		schema := t.Arguments
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type":"object"}`)
		}
		fmt.Fprintf(rules, "call_%d: %s arguments_%d \"}\"\narguments_%d: %%json %s\n", i, literal(fmt.Sprintf(`{"name": %s, "%s": `, inJSON(t.Name), arguments)), i, i, schema)
	}
	fmt.Fprintf(rules, "call: %s\n", strings.Join(names, " | "))
	before, between, after := "", "", ""
	switch {
	case f.Name == "jamba":
		before, between, after = "[\n    ", ",\n    ", "\n]"
	case f.Name == "hermes":
		before, after = "\n", "\n"
	case f.named:
		before, between, after = "[", ", ", "]"
	case f.bare:
		between = "; "
	}
	open, end := g.mark(f.open), ""
	if f.bare {
		open = ""
	}
	if f.close != "" {
		end = g.mark(f.close)
	}
	one := join(open, literal(before), "call", literal(after), end)
	switch {
	case g.OneCall:
		return one
	case between == "":
		return one + " (\"\\n\" " + one + ")*"
	}
	return join(open, literal(before), "call", "("+literal(between)+" call)*", literal(after), end)
}

// mark returns an expression for a text that may be a control token.
func (g *Grammar) mark(text string) string {
	if id, ok := g.control(text); ok {
		return fmt.Sprintf("<[%d]>", id)
	}
	return literal(text)
}

func (g *Grammar) control(text string) (int32, bool) {
	if g.Control == nil {
		return 0, false
	}
	return g.Control(text)
}

// until writes a rule of any text up to a mark and returns an expression for it.
func (g *Grammar) until(rules *strings.Builder, name, mark string) string {
	if id, ok := g.control(mark); ok {
		fmt.Fprintf(rules, "%s: /(.|\\n)*/ <[%d]>\n", name, id)
	} else {
		fmt.Fprintf(rules, "%s[lazy]: /(.|\\n)*%s/\n", name, quotedRegex(mark))
	}
	return name
}

// literal returns a text as a string of Lark's, "" for none.
func literal(text string) string {
	if text == "" {
		return ""
	}
	return inJSON(text)
}

// inJSON returns a text as a string of JSON's, whose characters stand as they are.
func inJSON(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // strings can be
	return strings.TrimSuffix(b.String(), "\n")
}

// quotedRegex returns a text as it stands in a regular expression between slashes.
func quotedRegex(text string) string {
	return strings.NewReplacer(`\`, `\\`, "/", `\/`, "[", `\[`, "]", `\]`, "|", `\|`).Replace(text)
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}
