package main

import "strings"

// filter leaves out stories that are no good.
type filter struct {
	kept    int
	reasons map[string]int
	begins  map[string]bool // of stories kept
}

func newFilter(stories []string) *filter {
	f := &filter{reasons: map[string]int{}, begins: map[string]bool{}}
	for _, s := range stories {
		f.kept++
		f.begins[beginning(strings.Fields(s))] = true
	}
	return f
}

// beginning is what no two stories may share: their first dozen words.
func beginning(words []string) string {
	return strings.ToLower(strings.Join(words[:min(12, len(words))], " "))
}

// take returns the story with its blanks in order, or false.
func (f *filter) take(text string) (string, bool) {
	text = clean(text)
	words := strings.Fields(text)
	reason := ""
	switch begin := beginning(words); {
	case len(words) < 50:
		reason = "too short"
	case !plain(text):
		reason = "strange characters"
	case about(text):
		reason = "talks about itself"
	case repeats(words):
		reason = "repeats itself"
	case f.begins[begin]:
		reason = "begins as another"
	default:
		f.begins[begin] = true
		f.kept++
		return text, true
	}
	f.reasons[reason]++
	return "", false
}

// clean trims lines, leaves no more than one empty one between them, and ends with a sentence.
func clean(text string) string {
	text = strings.NewReplacer("“", `"`, "”", `"`, "‘", "'", "’", "'", "—", " - ", "–", "-", "…", "...").Replace(text)
	var paragraphs []string
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			paragraphs = append(paragraphs, line)
		}
	}
	text = strings.Join(paragraphs, "\n\n")
	end := strings.LastIndexAny(text, ".!?") + 1
	if rest := text[end:]; strings.HasPrefix(rest, `"`) {
		end++
	}
	return text[:end]
}

// plain reports whether the text has only the characters of simple English prose.
func plain(text string) bool {
	for _, c := range text {
		if c > '~' || strings.ContainsRune("*#_<>{}[]|\\~^`@/=+", c) {
			return false
		}
	}
	return true
}

// about reports whether the text speaks of the request.
func about(text string) bool {
	lower := strings.ToLower(text)
	for _, s := range []string{"as an ai", "the story is about", "this story", "title:", "one paragraph", "simple words", "end of the story", "moral of", "the author", "the reader", "protagonist"} {
		if strings.Contains(lower, s) {
			return true
		}
	}
	return false
}

// repeats reports whether more than a tenth of the runs of five words occurred before in the text.
func repeats(words []string) bool {
	const n = 5
	seen, again := map[string]bool{}, 0
	for i := range len(words) - n + 1 {
		run := strings.ToLower(strings.Join(words[i:i+n], " "))
		if seen[run] {
			again++
		}
		seen[run] = true
	}
	return again*10 > len(words)
}
