package eval

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"jamba"
)

// AnswerRecord is what a model wrote, and what each filter took out of it.
type AnswerRecord struct {
	Text    string            `json:"text"`
	Answers map[string]string `json:"answers"` // by the filter's name
	Exact   map[string]bool   `json:"exact"`
	Target  string            `json:"target"`
	Tokens  int               `json:"tokens"`
	Group   string            `json:"group,omitempty"`
}

// Generate asks the questions that the journal lacks; the most likely tokens answer them.
func Generate(ctx context.Context, m *jamba.Model, q *Questions, j *Journal[AnswerRecord], progress func(done, total int)) error {
	return j.Each(ctx, q.Settings.Questions, together, func(ctx context.Context, item int) (AnswerRecord, error) {
		a, err := q.ask(item)
		if err != nil {
			return AnswerRecord{}, err
		}
		r := AnswerRecord{Target: a.target, Group: a.group, Answers: map[string]string{}, Exact: map[string]bool{}}
		if r.Text, r.Tokens, err = write(ctx, m, q.Settings.BOS, a.contexts[0], q.Task.Generation.MaxGenToks, q.Task.Generation.Until); err != nil {
			return r, fmt.Errorf("%s: %w", q.Rows[item].Place, err)
		}
		all := q.Task.Filters
		if len(all) == 0 {
			all = []filters{{Name: "none"}}
		}
		for _, f := range all {
			answer := f.apply(r.Text)
			r.Answers[f.Name], r.Exact[f.Name] = answer, q.Task.exact(answer, a.target)
		}
		return r, nil
	}, progress)
}

// write returns what the model writes after a context.
func write(ctx context.Context, m *jamba.Model, bos bool, context string, tokens int, stop []string) (string, int, error) {
	ids, err := encode(m.Text(), bos, context)
	if err != nil {
		return "", 0, err
	}
	var b strings.Builder
	n := 0
	for p, err := range m.GenerateIDs(ctx, ids, jamba.Options{MaxTokens: tokens, Stop: stop, WholeText: true}) {
		if err != nil {
			return "", 0, err
		}
		b.WriteString(p.Text)
		if p.Stats != nil {
			n = p.Stats.AnswerTokens
		}
	}
	return b.String(), n, nil
}

// apply takes the answer out of a text, as lm-evaluation-harness's filters do.
func (f *filters) apply(s string) string {
	for _, step := range f.Steps {
		if step.re == nil {
			continue // take_first, of one
		}
		s = step.find(s)
	}
	return s
}

// find returns the match that the filter selects: the first group of it that is not empty, or all of it if there are no groups.
func (f *filter) find(s string) string {
	fallback := "[invalid]"
	if f.Fallback != nil {
		fallback = *f.Fallback
	}
	all := f.re.FindAllStringSubmatch(s, -1)
	n := f.Group
	if n < 0 {
		n += len(all)
	}
	if n < 0 || n >= len(all) {
		return fallback
	}
	match := all[n]
	if len(match) == 1 {
		return strings.TrimSpace(match[0])
	}
	for _, group := range match[1:] {
		if group != "" {
			return strings.TrimSpace(group)
		}
	}
	if len(match) == 2 {
		return ""
	}
	return fallback
}

// exact reports whether an answer is the target, as the task compares them.
func (t *Task) exact(answer, target string) bool {
	for _, m := range t.Metrics {
		if m.Metric == "exact_match" {
			return m.normal(answer) == m.normal(target)
		}
	}
	return answer == target
}

func (m *metric) normal(s string) string {
	for _, re := range m.ignored {
		s = re.ReplaceAllLiteralString(s, "")
	}
	if m.IgnoreCase {
		s = strings.ToLower(s)
	}
	if m.IgnorePunctuation {
		s = strings.Map(func(r rune) rune {
			if r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
				return -1
			}
			return r
		}, s)
	}
	return s
}

// AnswerScore is how many answers are exact, by the filter's name.
type AnswerScore struct {
	Questions int                 `json:"questions"`
	Exact     map[string]Accuracy `json:"exact_match"`
}

// AnswerSummary is the score of all questions and of each group.
type AnswerSummary struct {
	AnswerScore
	Groups map[string]AnswerScore `json:"groups,omitempty"`
}

// SummariseAnswers sums up the records of answers.
func SummariseAnswers(records []AnswerRecord) any {
	s := AnswerSummary{AnswerScore: scoreAnswers(records)}
	for name, group := range grouped(records, func(r AnswerRecord) string { return r.Group }) {
		if s.Groups == nil {
			s.Groups = map[string]AnswerScore{}
		}
		s.Groups[name] = scoreAnswers(group)
	}
	return s
}

func scoreAnswers(records []AnswerRecord) AnswerScore {
	right := map[string]int{}
	for _, r := range records {
		for name, exact := range r.Exact {
			if right[name] += 0; exact {
				right[name]++
			}
		}
	}
	s := AnswerScore{len(records), map[string]Accuracy{}}
	for name, n := range right {
		s.Exact[name] = accuracy(n, len(records))
	}
	return s
}
