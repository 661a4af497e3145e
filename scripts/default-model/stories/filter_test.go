package main

import (
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	var words []string
	for _, a := range []string{"red", "old", "small", "kind", "new", "good", "warm", "tall"} {
		for _, b := range []string{"house", "tree", "fox", "boat", "song", "bridge", "bell"} {
			words = append(words, a, b)
		}
	}
	story := "Once upon a time there was " + strings.Join(words, " ") + "."
	f := newFilter(nil)
	for _, test := range []struct{ name, text, reason string }{
		{"a story", story, ""},
		{"another", "Long ago, " + story, ""},
		{"the same again", story, "begins as another"},
		{"the same in capitals", strings.ToUpper(story), "begins as another"},
		{"short", "Once upon a time.", "too short"},
		{"nothing", "", "too short"},
		{"no sentence", strings.Join(words, " "), "too short"},
		{"markup", "Now. **" + story, "strange characters"},
		{"letters", "Señor, " + story, "strange characters"},
		{"of the request", "In this story, " + story, "talks about itself"},
		{"again and again", "See: " + strings.Repeat("He went home and slept. ", 20), "repeats itself"},
	} {
		before := f.reasons[test.reason]
		if _, ok := f.take(test.text); ok != (test.reason == "") || !ok && f.reasons[test.reason] != before+1 {
			t.Errorf("%s: taken %v, left out for %v; want %q", test.name, ok, f.reasons, test.reason)
		}
	}
	if _, ok := newFilter([]string{story}).take(story); ok {
		t.Error("a story of an earlier run was taken again")
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		" One “day”,\n\n\n a  fox\tran. It": "One \"day\",\n\na fox ran.",
		`He said, "Come in!" Then he we`:    `He said, "Come in!"`,
		"It’s – well… done":                 "It's - well...",
		"no end":                            "",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
