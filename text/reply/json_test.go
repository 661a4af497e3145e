package reply

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestScanner compares with encoding/json which beginnings of a text are such of a value, and which are values.
func TestScanner(t *testing.T) {
	words := []string{
		"{", "}", "[", "]", ":", ",", `"`, `"a"`, `{"a":`, `\`, `\"`, `\u`, "00e9", "é", "\n", " ", "\t", "\x01", "true", "false", "nul", "l", "-", "0", "1", "12", ".5", ".", "e", "E+", "e-3", "x",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 12).Draw(t, "words"), "")
		var s scanner
		for i := range len(text) {
			goes, begun := s.next(text[i]), text[:i+1]
			var v json.RawMessage
			err := json.Unmarshal([]byte(begun), &v)
			// Of words and numbers that are not complete, encoding/json says that it tried to go on with a space.
			end := err != nil && (err.Error() == "unexpected end of JSON input" || strings.HasPrefix(err.Error(), "invalid character ' '") && text[i] != ' ')
			if want := err == nil || end; goes != want {
				t.Fatalf("%q goes on: %v, want %v (%v)", begun, goes, want, err)
			}
			if !goes {
				return
			}
			// A number may go on, so it is complete with what comes behind it alone.
			number := strings.ContainsAny(begun[:1], "-0123456789") || strings.ContainsAny(strings.TrimLeft(begun, blanks), "-0123456789") && len(s.open) == 0
			if !number && (s.place == complete) != (err == nil) {
				t.Fatalf("%q is complete: %v, want %v", begun, s.place == complete, err == nil)
			}
		}
	})
}

// TestDeep lets values lie in one another as deep as they may.
func TestDeep(t *testing.T) {
	var s scanner
	for i := range maxDepth + 1 {
		if goes := s.next('['); goes != (i < maxDepth) {
			t.Fatalf("depth %d: %v", i, goes)
		}
	}
}
