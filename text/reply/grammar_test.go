package reply

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jamba/internal/grammar"
)

// vocabulary has an end, control tokens and a token for each byte of ASCII.
type vocabulary []string

func (v vocabulary) VocabSize() int                { return len(v) }
func (v vocabulary) TokenBytes(id int32) []byte    { return []byte(v[id]) }
func (v vocabulary) Token(id int32) (string, bool) { return v[id], true }
func (v vocabulary) IsSpecial(id int32) bool       { return len(v[id]) > 1 }
func (v vocabulary) Padded(int32) bool             { return false }
func (v vocabulary) Decode(ids []int32, _ bool) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(v[id])
	}
	return b.String()
}

// TestGrammar lets random tokens that a grammar allows be answers, and reads these.
func TestGrammar(t *testing.T) {
	tools := []Tool{
		{Name: "look", Arguments: json.RawMessage(`{"type":"object","properties":{"at":{"enum":["sky","sea"]},"n":{"type":"integer","minimum":1,"maximum":9}},"required":["at"],"additionalProperties":false}`)},
		{Name: `go <&> "on"`, Arguments: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)},
	}
	for _, special := range []bool{false, true} {
		v := vocabulary{"<end>"}
		if special {
			v = append(v, thinkOpen, thinkClose, args)
			for _, f := range Formats {
				v = append(v, f.open)
				if f.close != "" {
					v = append(v, f.close)
				}
			}
		}
		for c := range 127 {
			v = append(v, string(rune(c)))
		}
		compiler, err := grammar.NewVocabulary(v, []int32{0})
		if err != nil {
			t.Fatal(err)
		}
		control := func(text string) (int32, bool) {
			i := slices.Index(v, text)
			return int32(i), i > 0
		}
		for _, f := range Formats {
			for _, says := range []string{"", `"yes" | "no"`} {
				for _, thinks := range []Thinks{NoThought, MayThink, HasThought} {
					g := &Grammar{Says: says, Tools: tools, Format: f, Thinks: thinks, Control: control, OneCall: thinks == NoThought}
					t.Run(strings.Join([]string{f.Name, says}, " "), func(t *testing.T) { g.try(t, compiler, v) })
				}
			}
			for _, thinks := range []Thinks{NoThought, MayThink} {
				g := &Grammar{Says: AnyText, Tools: tools, Format: f, Thinks: thinks, Control: control}
				t.Run(f.Name+" text", func(t *testing.T) { g.try(t, compiler, v) })
			}
		}
	}
}

func (g *Grammar) try(t *testing.T, compiler *grammar.Vocabulary, v vocabulary) {
	calls, texts := 0, 0
	for seed := range uint64(4) {
		compiled, err := compiler.Compile(context.Background(), grammar.Lark(g.Lark()))
		if err != nil {
			t.Fatalf("%v\n%s", err, g.Lark())
		}
		m := compiled.Matcher()
		r := rand.New(rand.NewPCG(seed, 1))
		var answer []int32
		for ended := false; !ended; {
			logits := make([]float32, len(v))
			if _, _, err := m.Next(answer, logits); err != nil {
				t.Fatalf("after %q: %v", v.Decode(answer, true), err)
			}
			var allowed []int32
			for i, l := range logits {
				// Marks where they may be, the end soon, and otherwise what begins them.
				if n := 1 + 20*len(strings.Trim(v[i], "abcdefghijklmnopqrstuvwxyz ")); l == 0 {
					allowed = append(allowed, slices.Repeat([]int32{int32(i)}, min(n, 60))...)
				}
			}
			next := int(allowed[r.IntN(len(allowed))])
			if len(answer) > 40 && allowed[0] == 0 {
				next = 0
			}
			if text := v.Decode(answer, true); len(answer) > 30 && !strings.Contains(text, thinkClose) && (g.Thinks == HasThought || strings.HasPrefix(text, thinkOpen)) {
				rest := thinkClose[overlap(text, thinkClose):] // out of the thought
				next = slices.IndexFunc(v, func(token string) bool { return strings.HasPrefix(rest, token) && (token == rest || len(token) == 1) })
				if at := slices.Index(v, rest); at > 0 {
					next = at
				}
			}
			if ended = next == 0; !ended {
				answer = append(answer, int32(next))
			}
			if len(answer) > 2000 {
				t.Fatalf("no end of %q", v.Decode(answer, true))
			}
		}
		m.Close()
		text := v.Decode(answer, true)
		s := New(Options{Thinks: g.Thinks != NoThought, Opened: g.Thinks == HasThought, Format: g.Format})
		said, name, arguments, called := "", "", "", 0
		for _, p := range append(s.Push(text), s.Flush()...) {
			said += p.Text
			arguments += p.Arguments
			if p.Call != nil {
				name, arguments = p.Call.Name, ""
			}
			if !p.Complete {
				continue
			}
			called++
			var a struct {
				At string
				N  *int
			}
			d := json.NewDecoder(strings.NewReader(arguments))
			d.DisallowUnknownFields()
			if err := d.Decode(&a); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if look := name == "look"; look != (a.At == "sky" || a.At == "sea") || !look && name != g.Tools[1].Name || a.N != nil && (*a.N < 1 || *a.N > 9) {
				t.Fatalf("%q: the call of %s with %s", text, name, arguments)
			}
		}
		switch {
		case called == 0 && g.Says == "", g.OneCall && called > 1:
			t.Fatalf("%q: %d calls", text, called)
		case called > 0 && strings.TrimSpace(said) != "", called == 0 && g.Says == `"yes" | "no"` && said != "yes" && said != "no":
			t.Fatalf("%q: %d calls, said %q", text, called, said)
		}
		if calls += called; called == 0 {
			texts++
		}
	}
	if calls == 0 && g.Says != AnyText || texts == 0 && g.Says == AnyText {
		t.Errorf("%d calls and %d texts of\n%s", calls, texts, g.Lark())
	}
}
