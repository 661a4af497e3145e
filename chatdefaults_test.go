package jamba

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestChatDefaults(t *testing.T) {
	for generation, want := range map[string]Options{
		`{}`: {Sampling: Sampling{Temperature: 0.8, TopP: 0.95, MinP: 0.05}},
		`{"eos_token_id": 2, "max_new_tokens": 7, "stop_strings": "x"}`: {
			Sampling: Sampling{Temperature: 0.8, TopP: 0.95, MinP: 0.05}, MaxTokens: 7, Stop: []string{"x"},
		},
		`{"repetition_penalty": 1.1}`:              {Sampling: Sampling{Temperature: 0.8, TopP: 0.95, MinP: 0.05, RepetitionPenalty: 1.1}},
		`{"do_sample": false, "temperature": 0.6}`: {},
		`{"do_sample": true}`:                      {Sampling: Sampling{Temperature: 1, TopK: 50}},
		`{"do_sample": true, "temperature": 0.3}`:  {Sampling: Sampling{Temperature: 0.3, TopK: 50}},
	} {
		m := openFolder(t, map[string]string{"generation_config.json": generation})
		if diff := diffOptions(want, m.ChatDefaults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", generation, diff)
		}
	}
}

// diffOptions returns how options differ from those that are wanted, "" if they do not.
func diffOptions(want, got Options) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(Format{}))
}
