package tokenizer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jamba/internal/testutil"
)

// measured runs f and returns how long it took and by how much the memory in use rose at most.
func measured(f func()) (time.Duration, uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	start := time.Now()
	f()
	d := time.Since(start)
	close(stop)
	<-stopped
	runtime.ReadMemStats(&m)
	return d, max(most, m.HeapAlloc) - before
}

// hostile are files that ask for more than a text is worth.
func hostile() map[string]struct{ file, text string } {
	str := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	seq := func(list string, n int, parts ...string) string {
		return `{"type": "Sequence", "` + list + `": [` + strings.Join(slices.Repeat(parts, n), ",") + `]}`
	}
	replace := func(kind, pattern, content string) string {
		return `{"type": "Replace", "pattern": {"` + kind + `": ` + str(pattern) + `}, "content": ` + str(content) + `}`
	}
	split := func(pattern, behavior string) string {
		return `{"type": "Split", "pattern": {"Regex": ` + str(pattern) + `}, "behavior": "` + behavior + `", "invert": false}`
	}
	added := func(n int, normalized bool, content func(i int) string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"id": %d, "content": %s, "normalized": %v}`, 4+i, str(content(i)), normalized))
		}
		return `"added_tokens": [` + strings.Join(all, ",") + `]`
	}
	const evil = `(a|aa)+$`
	many := func(n int) string { return strings.Repeat("a", n) }
	marks := added(1, false, func(int) string { return "<t>" })
	rows := strings.Repeat(many(40)+"!<t>", 2000)
	long := func(n int) string { // a map that makes n bytes of "a"
		units := make([]byte, 4*256)
		binary.LittleEndian.PutUint32(units[4*'a':], 'a'|1<<8|('a'^1)<<10) // its value is at unit 1
		binary.LittleEndian.PutUint32(units[4:], 1<<31)
		data := binary.LittleEndian.AppendUint32(nil, uint32(len(units)))
		return `{"type": "Precompiled", "precompiled_charsmap": ` + str(append(append(data, units...), many(n)...)) + `}`
	}
	template := `{"type": "TemplateProcessing", "single": [` + strings.Repeat(`{"Sequence": {"id": "A", "type_id": 0}},`, 63) + `{"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}`
	metaspace := `{"type": "Metaspace", "replacement": " ", "prepend_scheme": "always", "split": false}`
	return map[string]struct{ file, text string }{
		"growth":              {tiny(`"normalizer": ` + seq("normalizers", 4, replace("String", "a", many(1000)))), "a"},
		"growth, last":        {tiny(`"normalizer": ` + replace("String", "a", many(1000000))), many(1000)},
		"growth by regex":     {tiny(`"normalizer": ` + seq("normalizers", 9, replace("Regex", "", many(100)))), many(1000)},
		"growth by a prefix":  {tiny(`"normalizer": {"type": "Prepend", "prepend": "` + many(1000000) + `"}, ` + marks), rows},
		"growth by prefixes":  {tiny(`"normalizer": ` + seq("normalizers", 120, `{"type": "Prepend", "prepend": "`+many(60000)+`"}`)), rows},
		"growth of forms":     {tiny(`"normalizer": ` + seq("normalizers", 1, replace("String", "a", strings.Repeat("\ufdfa", 100)), `{"type": "NFKD"}`)), many(5000)},
		"growth of bytes":     {tiny(`"normalizer": ` + seq("normalizers", 120, `{"type": "ByteLevel"}`)), "é"},
		"growth of bytes, 2":  {tiny(`"pre_tokenizer": ` + seq("pretokenizers", 120, `{"type": "ByteLevel", "use_regex": false}`)), "é"},
		"growth of bytes, 3":  {tiny(`"pre_tokenizer": ` + seq("pretokenizers", 120, `{"type": "ByteLevel", "use_regex": true}`)), "é é é"},
		"prefixes of pieces":  {tiny(`"pre_tokenizer": ` + seq("pretokenizers", 60, metaspace, split(".", "Isolated"))), many(100)},
		"template":            {tiny(`"post_processor": ` + template), many(1 << 17)},
		"map":                 {tiny(`"normalizer": ` + long(100)), many(10000)},
		"map, long":           {tiny(`"normalizer": ` + long(1<<22)), many(10000)},
		"regex":               {tiny(`"pre_tokenizer": ` + split(evil, "Isolated")), many(40) + "!"},
		"rows of regex":       {tiny(`"pre_tokenizer": ` + seq("pretokenizers", 120, split(evil, "Isolated"))), strings.Repeat(many(40)+"!", 100)},
		"rows of tokens":      {tiny(`"pre_tokenizer": ` + split(evil, "Isolated") + `, ` + marks), rows},
		"rows of both":        {tiny(`"normalizer": ` + seq("normalizers", 100, replace("Regex", `(a|aa)+b`, "x")) + `, ` + marks), rows},
		"quick regexes":       {tiny(`"pre_tokenizer": ` + seq("pretokenizers", 120, split("a", "Isolated"))), many(60000)},
		"tokens, normalized":  {tiny(`"normalizer": ` + replace("Regex", `(a|aa)+b`, "x") + `, ` + added(3000, true, func(i int) string { return many(40) + fmt.Sprint(i) })), "a"},
		"tokens, long":        {tiny(`"normalizer": ` + seq("normalizers", 1, replace("String", "a", many(30000))) + `, ` + added(3000, true, func(i int) string { return fmt.Sprint("a", i) })), "a"},
		"tokens, overlapping": {tiny(added(1000, false, func(i int) string { return many(i+2) + "!" })), many(50000)},
		"tokens, no word":     {tiny(strings.ReplaceAll(added(1000, false, func(i int) string { return many(i + 2) }), `"normalized"`, `"single_word": true, "normalized"`)), many(50000)},
		"decoder":             {tiny(`"decoder": ` + replace("Regex", evil, "b") + `, ` + added(3000, false, func(i int) string { return many(40) + fmt.Sprint(i) })), "a"},
		"decoder growth":      {tiny(`"decoder": ` + replace("String", "a", many(4000))), "a"},
		"decoder, one token":  {tiny(`"decoder": ` + seq("decoders", 1, `{"type": "Fuse"}`, replace("Regex", evil, "b"))), many(40) + "!"},
		"word":                {tiny(`"normalizer": ` + replace("String", "a", many(32))), many(100000)},
		"empty merges":        {`{"model": {"type": "BPE", "vocab": {}, "merges": [[]` + strings.Repeat(",[]", 1000000) + `]}}`, ""},
		"nested":              {tiny(`"normalizer": ` + strings.Repeat(`[`, 100000)), ""},
		"large id":            {tiny(`"added_tokens": [{"id": 268435455, "content": "x"}]`), ""},
		"strip":               {tiny(`"decoder": {"type": "Strip", "content": "a", "start": 9000000000000000000, "stop": 9000000000000000000}`), many(10000)},
	}
}

// A hostile file takes no more than about 2 s and 256 MiB for a small text: it is refused, its text is, or it works.
func TestHostileFiles(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	// Refused are those whose ids would be other ones or whose cost is beyond the bounds; the others work.
	refused := map[string]string{
		"growth": "makes more than", "growth, last": "makes more than", "growth by regex": "makes more than", "growth of forms": "makes more than",
		"growth of bytes": "makes more than", "growth of bytes, 2": "makes more than", "growth of bytes, 3": "makes more than", "growth by a prefix": "makes more than", "growth by prefixes": "makes more than",
		"template": "makes more than", "map, long": "makes more than",
		"tokens, overlapping": "too much work", "tokens, long": "too much work", "quick regexes": "takes too long",
		"regex": "takes too long", "rows of regex": "takes too long", "rows of tokens": "takes too long", "rows of both": "takes too long",
		"tokens, normalized": "takes too long", "decoder": "takes too long", "decoder growth": "decoder: can make a token 4e+03 times longer",
		"empty merges": "merges[0]: 0 strings", "nested": "invalid character", "large id": "out of range",
	}
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			var err error
			d, bytes := measured(func() {
				var tk *Tokenizer
				if tk, err = FromJSON([]byte(c.file), Config{}); err != nil {
					return
				}
				var ids []int32
				if ids, err = tk.Encode(c.text, true); err == nil {
					tk.Decode(ids, false)
				}
			})
			if d > 5*time.Second || bytes > 256<<20+uint64(len(c.file)) {
				t.Errorf("took %v and %d MiB; error %v", d, bytes>>20, err)
			}
			t.Logf("%v, %d MiB, error %.200v", d.Round(time.Millisecond), bytes>>20, err)
			if want, bad := refused[name]; bad != (err != nil) || bad && !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// A long text takes some bytes of memory for each of its own, beside what its ids take.
func TestLongText(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	const size = 2 << 20
	for _, style := range styles {
		for _, tk := range both(t, style) {
			text := corpus(t, style)
			text = strings.Repeat(text, size/len(text))
			var ids []int32
			_, bytes := measured(func() { ids = encode(t, tk, text, false) })
			if limit := uint64(8*len(text) + 3*4*len(ids)); bytes > limit {
				t.Errorf("%s: %d bytes of memory for a text of %d and %d ids, at most %d are right", style, bytes, len(text), len(ids), limit)
			}
		}
	}
}

// both returns a style's tokenizer, from its tokenizer.json and from its tokenizer.model, if it has one.
func both(t *testing.T, style string) []*Tokenizer {
	tk := loadStyle(t, style)
	if other := maybeModel(t, style, tk); other != tk {
		return []*Tokenizer{tk, other}
	}
	return []*Tokenizer{tk}
}

// A text that is cut at borders becomes what it becomes as a whole.
func TestBorders(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	for _, style := range styles {
		for _, tk := range both(t, style) {
			text := corpus(t, style)
			cuts, tries := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				tries++
				from := rapid.IntRange(0, len(text)-2*longWord).Draw(t, "from")
				s := text[from : from+longWord+rapid.IntRange(1, longWord).Draw(t, "length")]
				var want []int32
				b := newBudget(len(s))
				s = tk.normalize(s, true, b)
				switch m := tk.model.(type) {
				case *bpe:
					want = m.mergeWord(nil, m.spell(s), b)
				case *spm:
					want = m.mergeWord(nil, s)
				}
				if got := tk.model.encode(nil, s, b); !slices.Equal(got, want) {
					t.Fatalf("cut, the text becomes other ids")
				}
				switch m := tk.model.(type) {
				case *bpe:
					m.borders.cut(s, b, m.char, func(string) { cuts++ })
				case *spm:
					m.borders.cut(s, b, m.char, func(string) { cuts++ })
				}
			})
			if cuts < 2*tries {
				t.Fatalf("%s: %d parts of %d texts", style, cuts, tries)
			}
		}
	}
}

// A word without any border is an error where it would take too much memory.
func TestLongWord(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	tk, err := FromJSON([]byte(`{"model": {"type": "BPE", "vocab": {"a": 0, "aa": 1, "b": 2}, "merges": ["a a"]}}`), Config{})
	if err != nil {
		t.Fatal(err)
	}
	word := strings.Repeat("a", maxWord)
	part := word[:1<<17]
	if ids := encode(t, tk, part+"b"+part, false); len(ids) != len(part)+1 {
		t.Errorf("%d ids", len(ids))
	}
	if _, err := tk.Encode(word+"a", false); err == nil || !strings.Contains(err.Error(), "a stretch of 8388609 bytes has no place where tokens cannot merge") {
		t.Errorf("error %v", err)
	}
}
