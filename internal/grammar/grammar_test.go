package grammar

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"jamba/internal/testutil"
)

// words is a tokenizer of these tokens; the first ends an answer, the second is another control token, the third has no text.
type words []string

func (w words) VocabSize() int                { return len(w) }
func (w words) TokenBytes(id int32) []byte    { return []byte(w[id]) }
func (w words) Token(id int32) (string, bool) { return w[id], true }
func (w words) IsSpecial(id int32) bool       { return id < 2 }
func (w words) Padded(id int32) bool          { return id == 2 }
func (w words) Decode(ids []int32, _ bool) string {
	var b strings.Builder
	for _, id := range ids {
		if id > 2 {
			b.WriteString(w[id])
		}
	}
	return b.String()
}

// letters has a token for each byte but 0xff, which no text has.
func letters() words {
	w := words{"<end>", "<other>", "<pad>"}
	for b := range 255 {
		w = append(w, string([]byte{byte(b)}))
	}
	return w
}

// syllables has the same and random pieces of texts, some of them twice.
func syllables(r *rand.Rand, texts ...string) words {
	w := letters()
	for range 400 {
		t := texts[r.IntN(len(texts))]
		lo := r.IntN(len(t))
		w = append(w, t[lo:min(len(t), lo+2+r.IntN(8))])
	}
	return w
}

func vocabulary(t *testing.T, w words) *Vocabulary {
	t.Helper()
	v, err := NewVocabulary(w, []int32{0})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func matcher(t *testing.T, v *Vocabulary, f Format) *Matcher {
	t.Helper()
	g, err := v.Compile(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	t.Cleanup(m.Close)
	return m
}

// allowed returns the tokens that may follow an answer.
func allowed(t *testing.T, m *Matcher, answer []int32, n int) (ids []int32) {
	t.Helper()
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(i)
	}
	if _, _, err := m.Next(answer, logits); err != nil {
		t.Fatalf("after %v: %v", answer, err)
	}
	for i, v := range logits {
		switch {
		case v == float32(i):
			ids = append(ids, int32(i))
		case !math.IsInf(float64(v), -1):
			t.Fatalf("the logit of token %d became %v", i, v)
		}
	}
	return ids
}

const person = `{"type":"object","properties":{"name":{"type":"string","pattern":"^[A-Zé][a-zé ]{1,9}$"},"age":{"type":"integer","minimum":7,"maximum":120},
	"tags":{"type":"array","items":{"enum":["red","green","blue"]},"maxItems":3},"note":{"anyOf":[{"type":"null"},{"type":"string","maxLength":12}]}},
	"required":["name","age"],"additionalProperties":false}`

// formats are of each kind, with texts whose pieces are tokens.
var formats = map[string]struct {
	format Format
	texts  []string
}{
	"schema": {JSONSchema([]byte(person)), []string{`{"name": "Ana Lé", "age": 7, "tags": ["red", "green"], "note": null}`, "{\n  \"name\":\"Zoë\",\n  \"age\": 120}"}},
	"object": {JSONObject(), []string{`{"a": [1, 2.5e-3, {"b": "\u00e9\n"}], "ab": true}`, `{}`, `{"x":null}`}},
	"regex":  {Regex(`(ab|a/b|\d{2,4})+ü?`), []string{"aba/b1234ü", "abab99"}},
	"choice": {Choice("yes", "yes.", "no", "maybe (not)"), []string{"yes. no", "maybe (not)"}},
	"lark":   {Lark("start: sum\nsum: NUMBER (\"+\" NUMBER | \"(\" sum \")\")*\nNUMBER: /[0-9]{1,3}/"), []string{"12+3(4+5)", "1+1"}},
}

// TestMask compares what is allowed of a vocabulary of pieces with what the same grammar allows byte by byte.
func TestMask(t *testing.T) {
	bytewise := vocabulary(t, letters())
	known := map[string][]int32{} // what byte may follow a text
	for name, f := range formats {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			w := syllables(r, f.texts...)
			m, slow := matcher(t, vocabulary(t, w), f.format), matcher(t, bytewise, f.format)
			follows := func(text string, next int32) bool {
				ids, ok := known[name+text]
				if !ok {
					ids = allowed(t, slow, spell(text), 258)
					known[name+text] = ids
				}
				return slices.Contains(ids, next)
			}
			several := 0
			for range 2 {
				var answer []int32
				for len(answer) < 15 {
					got := allowed(t, m, answer, len(w)+5)
					var want []int32
					for id := range int32(len(w)) {
						if w.allows(w.Decode(answer, true), id, follows) {
							want = append(want, id)
						}
					}
					if !slices.Equal(got, want) {
						t.Fatalf("after %q %q are allowed, want %q", w.Decode(answer, true), w.names(got), w.names(want))
					}
					next := got[r.IntN(len(got))]
					if next == 0 {
						break
					}
					if len(w[next]) > 1 {
						several++
					}
					answer = append(answer, next)
				}
			}
			if several == 0 {
				t.Error("no token of several bytes was allowed")
			}
		})
	}
}

// spell returns the tokens of single bytes of a text.
func spell(text string) (ids []int32) {
	for _, b := range []byte(text) {
		ids = append(ids, int32(b)+3)
	}
	return ids
}

// allows reports whether each byte of a token may follow those before.
func (w words) allows(text string, id int32, follows func(text string, next int32) bool) bool {
	if id < 3 {
		return id == 0 && follows(text, 0)
	}
	for _, b := range []byte(w[id]) {
		if !follows(text, int32(b)+3) {
			return false
		}
		text += string([]byte{b})
	}
	return true
}

func (w words) names(ids []int32) (names []string) {
	for _, id := range ids {
		names = append(names, w[id])
	}
	return names
}

// TestChoice compares with what choices begin with.
func TestChoice(t *testing.T) {
	choices := []string{"yes", "yes.", "no", "maybe (not)", "é"}
	w := syllables(rand.New(rand.NewPCG(3, 4)), choices...)
	m := matcher(t, vocabulary(t, w), Choice(choices...))
	var try func(answer []int32)
	tried := 0
	try = func(answer []int32) {
		tried++
		text := w.Decode(answer, true)
		var want []int32
		for id := range int32(len(w)) {
			longer := text + w[id]
			ends := id == 0 && slices.Contains(choices, text)
			if ends || id > 2 && slices.ContainsFunc(choices, func(c string) bool { return strings.HasPrefix(c, longer) }) {
				want = append(want, id)
			}
		}
		got := allowed(t, m, answer, len(w))
		if !slices.Equal(got, want) {
			t.Fatalf("after %q %q are allowed, want %q", text, w.names(got), w.names(want))
		}
		for i, id := range got {
			if id > 2 && i%7 == 0 {
				try(append(slices.Clone(answer), id))
			}
		}
	}
	try(nil)
	if tried < 10 {
		t.Errorf("only %d beginnings were tried", tried)
	}
}

// TestRandomAnswers validates answers of random tokens against their schemas.
func TestRandomAnswers(t *testing.T) {
	schemas := []string{
		person,
		`{"$defs":{"tree":{"type":"object","properties":{"v":{"type":"number"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"},"maxItems":2}},"required":["v"],"additionalProperties":false}},"$ref":"#/$defs/tree"}`,
		`{"type":"array","minItems":2,"maxItems":4,"prefixItems":[{"const":"first"}],"items":{"type":["boolean","null"]}}`,
		`{"anyOf":[{"type":"string","format":"date"},{"type":"integer","multipleOf":5,"exclusiveMinimum":-3,"exclusiveMaximum":42}]}`,
		`{"allOf":[{"properties":{"a":{"type":"string","minLength":2,"maxLength":4}},"required":["a"]},{"type":"object","properties":{"b":{"enum":[1,"x",null,{"c":[]}]}},"required":["b"]}],"type":"object","maxProperties":2}`,
		`true`,
	}
	w := syllables(rand.New(rand.NewPCG(5, 6)), append(slices.Clone(schemas), formats["schema"].texts...)...)
	v := vocabulary(t, w)
	for i, text := range schemas {
		check := testutil.Schema(t, text)
		r := rand.New(rand.NewPCG(7, uint64(i)))
		ended := 0
		for range 30 {
			m := matcher(t, v, JSONSchema([]byte(text)))
			var answer []int32
			for len(answer) < 300 {
				ids := allowed(t, m, answer, len(w))
				if len(ids) == 0 {
					t.Fatalf("%s: nothing may follow %q", text, w.Decode(answer, true))
				}
				next := ids[r.IntN(len(ids))]
				if slices.Contains(ids, 0) && r.IntN(3) == 0 {
					next = 0
				}
				if next == 0 {
					break
				}
				answer = append(answer, next)
			}
			if len(answer) == 300 {
				continue
			}
			ended++
			if err := check(w.Decode(answer, true)); err != nil {
				t.Fatalf("%s\n%v", text, err)
			}
		}
		if ended < 5 {
			t.Errorf("%s: only %d of 30 answers ended", text, ended)
		}
	}
}

// TestTakenBack goes back and elsewhere, as a constraint around a matcher may.
func TestTakenBack(t *testing.T) {
	v := vocabulary(t, letters())
	m := matcher(t, v, Choice("abc", "abd", "xyz"))
	for _, c := range []struct{ text, want string }{{"", "ax"}, {"ab", "cd"}, {"a", "b"}, {"x", "y"}, {"", "ax"}, {"abc", ""}} {
		got := ""
		for _, id := range allowed(t, m, spell(c.text), 258) {
			if id > 2 {
				got += letters()[id]
			}
		}
		if got != c.want {
			t.Errorf("after %q %q may follow, want %q", c.text, got, c.want)
		}
	}
}

// TestErrors expects formats that cannot be held to to be refused, with the place.
func TestErrors(t *testing.T) {
	v := vocabulary(t, letters())
	for _, c := range []struct {
		format Format
		want   string
	}{
		{JSONSchema([]byte(`{"type":"object","properties":{"a/b":{"items":{"not":{}}}}}`)), "/properties/a~1b/items/not is not supported"},
		{JSONSchema([]byte(`{"properties":{"not":{"type":"array","uniqueItems":true}}}`)), "/properties/not/uniqueItems is not supported"},
		{JSONSchema([]byte(`{"anyOf":[{"const":{"format":"x"}},{"type":"string","format":"x"}]}`)), `/anyOf/1/format "x" is not supported`},
		{JSONSchema([]byte(`{"type":"strin"}`)), "Invalid type: strin"},
		{JSONSchema([]byte(`{"$ref":"https://example.com/a.json"}`)), "example.com"},
		{JSONSchema([]byte(`{"$ref":"#/$defs/a"}`)), "$defs/a"},
		{JSONSchema([]byte(`{"type":"integer","minimum":3,"maximum":2}`)), "minimum"},
		{JSONSchema([]byte(`{`)), "is not JSON"},
		{JSONSchema([]byte(`[1]`)), "is [1], want an object"},
		{JSONSchema([]byte(`null`)), "is null, want an object"},
		{JSONSchema([]byte(`{"type":"string","x-guidance":{"lenient":true},"format":"y"}`)), `"y" is not supported`},
		{Regex("a("), "unclosed group"},
		{Regex("(?=a)b"), "look"},
		{Lark("start: missing"), "missing"},
		{Lark(""), "is empty"},
		{JSONSchema([]byte(`{"$ref":"#"}`)), "allows no token"},
		{JSONSchema([]byte(`false`)), "want an object"},
	} {
		_, err := v.Compile(context.Background(), c.format)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%v: %v, want %q", c.format.text, err, c.want)
		}
	}
}

// TestMalicious expects schemas that mean harm to be refused, or to be of no harm to others.
func TestMalicious(t *testing.T) {
	v := vocabulary(t, letters())
	good := matcher(t, v, Choice("a", "b"))
	nested := strings.Repeat(`{"items":`, 5000) + "{}" + strings.Repeat("}", 5000)
	object := strings.Repeat(`{"properties":{"a":`, 60) + "{}" + strings.Repeat("}}", 60)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf(`{"anyOf":[{"properties":{"a%d":{"type":"string"}},"required":["a%d"]},{"properties":{"b%d":{"type":"string"}},"required":["b%d"]}]}`, i, i, i, i))
	}
	many := make([]string, 60000)
	for i := range many {
		many[i] = fmt.Sprintf(`"%08d"`, i*7919)
	}
	for name, f := range map[string]Format{
		"nested":     JSONSchema([]byte(nested)),
		"object":     JSONSchema([]byte(object)),
		"product":    JSONSchema([]byte(`{"allOf":[` + strings.Join(all, ",") + `]}`)),
		"huge":       JSONSchema([]byte(`{"description":"` + strings.Repeat("x", maxText) + `"}`)),
		"enum":       JSONSchema([]byte(`{"enum":[` + strings.Join(many, ",") + `]}`)),
		"repetition": Regex(`((a{1,1000}){1,1000}){1,1000}`),
		"ambiguous":  Regex(`(.*a){30}.*(b.*){30}`),
		"counts":     JSONSchema([]byte(`{"type":"array","minItems":1000000000,"items":{"type":"string","minLength":1000000000}}`)),
		"loop":       JSONSchema([]byte(`{"$ref":"#"}`)),
		"recursion":  Lark("start: a\na: a a | \"x\" | "),
		"references": JSONSchema([]byte(`{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := v.Compile(context.Background(), f)
			if err == nil {
				m := g.Matcher()
				defer m.Close()
				r := rand.New(rand.NewPCG(1, 1))
				var answer []int32
				for range 40 {
					logits := make([]float32, 258)
					if _, _, err = m.Next(answer, logits); err != nil {
						break
					}
					var ids []int32
					for i, l := range logits {
						if l == 0 {
							ids = append(ids, int32(i))
						}
					}
					if answer = append(answer, ids[r.IntN(len(ids))]); answer[len(answer)-1] == 0 {
						break
					}
				}
			}
			t.Log(err)
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			if got := allowed(t, good, nil, 258); len(got) != 2 {
				t.Errorf("another answer has %d tokens now", len(got))
			}
		})
	}
}

// TestKept expects a grammar to be compiled once while it is known, and its memory back when it is not.
func TestKept(t *testing.T) {
	v := vocabulary(t, letters())
	ctx := context.Background()
	compile := func(f Format) *Grammar {
		g, err := v.Compile(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	first := compile(Choice("a"))
	if again := compile(Choice("a")); again != first {
		t.Error("the same format was compiled again")
	}
	first.Close()
	first.Close()
	for i := range idle + 4 {
		compile(Choice(fmt.Sprint(i))).Close()
	}
	again := compile(Choice("a"))
	if again == first {
		t.Error("what nobody used is still there")
	}
	again.Close()
	v.mu.Lock()
	n := len(v.recent)
	v.mu.Unlock()
	if n > idle {
		t.Errorf("%d grammars are kept", n)
	}
	v.Close()
	for v.budget.used.Load() > 0 {
		time.Sleep(time.Millisecond) // instances are closed beside
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := v.Compile(canceled, JSONSchema([]byte(person))); err == nil {
		t.Error("no error of a context that has ended")
	}
}

// TestBusy expects a format for which there is no memory to be an error that says so, and memory that nobody uses to be found.
func TestBusy(t *testing.T) {
	v := vocabulary(t, letters())
	v.budget.all = int64(len(v.image))*5/2 + 1<<20
	ctx := context.Background()
	var used []*Grammar
	for _, text := range []string{"a", "b"} {
		g, err := v.Compile(ctx, Choice(text))
		if err != nil {
			t.Fatal(err)
		}
		used = append(used, g)
	}
	if _, err := v.Compile(ctx, Choice("c")); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v", err)
	}
	used[0].Close()
	g, err := v.Compile(ctx, Choice("c"))
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}
