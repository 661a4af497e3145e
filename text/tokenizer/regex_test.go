package tokenizer

import (
	"bufio"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// TestRegexIsTheReferences compares what expressions find with the reference library (testdata/make_regex.py): those
// of well known tokenizers, one for every construct, and random ones; in texts of many scripts. What the reference
// takes and we do not is an error that says so; of what it refuses little is taken here: some repetitions of anchors and
// look-arounds.
func TestRegexIsTheReferences(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	lines := bufio.NewScanner(testutil.Gzip(t, "testdata/regex.jsonl.gz"))
	lines.Buffer(nil, 1<<20)
	compared, lenient, refused := 0, 0, map[string]bool{}
	for lines.Scan() {
		var c struct {
			P     string
			Error string
			T     [][3]json.RawMessage
		}
		unmarshal(t, lines.Bytes(), &c)
		p, err := newPattern("p", c.P)
		switch {
		case err != nil && c.Error == "":
			if !strings.Contains(err.Error(), "not supported") {
				t.Errorf("%q: %v, but the reference takes it", c.P, err)
			}
			refused[c.P] = true
			continue
		case err == nil && c.Error != "":
			t.Logf("%q: no error, the reference has %q", c.P, c.Error)
			lenient++
			continue
		case err != nil:
			continue
		}
		for _, line := range c.T {
			var text, replaced string
			var matches []string
			unmarshal(t, line[0], &text)
			unmarshal(t, line[1], &replaced)
			unmarshal(t, line[2], &matches)
			var got []string
			p.each(text, newBudget(len(text)), func(lo, hi int) {
				if lo < hi {
					got = append(got, text[lo:hi])
				}
			})
			compared++
			if !slices.Equal(got, matches) {
				t.Errorf("%q in %q: %q, want %q", c.P, text, got, matches)
			} else if r := replaceAll(text, p, "¦", newBudget(len(text))); r != replaced {
				t.Errorf("%q in %q: replaced %q, want %q", c.P, text, r, replaced)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if compared < 11_000 || lenient > 5 || len(refused) > 30 {
		t.Errorf("%d texts compared, %d taken that the reference refuses, %d expressions refused: %q", compared, lenient, len(refused), slices.Sorted(maps.Keys(refused)))
	}
}
