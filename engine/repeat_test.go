package engine

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
)

// words are tokens that are words with their space, marks or single spaces.
func words(text string) (tokens []string) {
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if n := len(tokens); n > 0 && letter && strings.ContainsAny(tokens[n-1][len(tokens[n-1])-1:], " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			tokens[n-1] += string(r)
			continue
		}
		tokens = append(tokens, string(r))
	}
	return tokens
}

// ended returns after how many tokens an answer is ended for its repetition, 0 if it is not.
func ended(tokens []string) int {
	var r repetition
	for i, s := range tokens {
		h := fnv.New32()
		h.Write([]byte(s))
		if r.push(int32(h.Sum32()>>1), s) {
			return i + 1
		}
	}
	return 0
}

func TestRepetition(t *testing.T) {
	sentence := "The capital of France is a city that is known for its museums, its food and its river. "
	numbered := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i+1)
		}
		return b.String()
	}
	paragraph := strings.Repeat("a b c d e f g h i j k l m n o p q r s t u v w x y z of letters, ", 4) + "and so on.\n\n"
	for name, c := range map[string]struct {
		text string
		most int // tokens after which it has to have ended; 0: never
	}{
		"one sentence":           {strings.Repeat(sentence, 100), 300},
		"after another answer":   {"It is Paris. Let me tell you more. " + strings.Repeat(sentence, 100), 300},
		"two sentences in turn":  {strings.Repeat(sentence+"I hope this helps. ", 100), 350},
		"one word":               {strings.Repeat("very ", 2000), 600},
		"two lines":              {strings.Repeat("Yes.\nNo.\n", 1000), 600},
		"a paragraph":            {strings.Repeat(paragraph, 20), 900},
		"one letter of a script": {strings.Repeat("好", 2000), 600},
		"space":                  {strings.Repeat(" ", 3000), 1100},

		"a sentence, many times":   {strings.Repeat(sentence, 8), 0},
		"a word, a hundred times":  {strings.Repeat("hello\n", 100), 0},
		"a numbered list":          {numbered(300, "%d. Take the next step and look at the result.\n"), 0},
		"a table":                  {numbered(200, "| row %d | yes | yes | yes | no |\n"), 0},
		"an empty table":           {"| name | age | town |\n|---|---|---|\n" + strings.Repeat("|   |   |   |\n", 60), 0},
		"a rule":                   {strings.Repeat("-", 400) + "\n" + strings.Repeat("=", 400), 0},
		"code, line after line":    {numbered(300, "\tfield%d := r.next() // of the header\n"), 0},
		"zeroes":                   {strings.Repeat("0, ", 256), 0},
		"rows of hex zeroes":       {strings.Repeat("\t0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,\n", 16), 0},
		"closing tags":             {strings.Repeat("</div>\n", 40), 0},
		"a refrain between verses": {numbered(60, "And the %d. verse sings of the sea.\nOh blow the man down, bullies, blow the man down!\n"), 0},
		"base64 of zeroes":         {strings.Repeat("AAAAAAAAAAAAAAAA\n", 40), 0},
	} {
		n := ended(words(c.text))
		if c.most == 0 && n > 0 || c.most > 0 && (n == 0 || n > c.most) {
			t.Errorf("%s: ended after %d tokens of %d, want at most %d (0: never)", name, n, len(words(c.text)), c.most)
		}
	}
}
