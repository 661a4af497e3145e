package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"jamba/text"
	"jamba/train/data"
)

// Row is a row of data.
type Row = data.Row

// TaskSettings say how a task's questions are asked.
type TaskSettings struct {
	Task       string `json:"task"`
	TaskSHA256 string `json:"task_sha256"`
	Fewshot    int    `json:"fewshot"`
	Seed       uint64 `json:"seed"`
	BOS        bool   `json:"bos"` // the token that begins texts stands before each
	Questions  int    `json:"questions"`
}

// Questions are the rows of a task's data.
type Questions struct {
	Task     *Task
	Rows     []Row
	Examples []Row // to choose examples from; nil: Rows, but for the one that is asked
	Settings TaskSettings

	groups map[string][]int // of examples
}

// Check returns an error if the first questions cannot be asked.
func (q *Questions) Check() error {
	if len(q.Rows) == 0 {
		return errors.New("the data have no rows")
	}
	q.groups = map[string][]int{}
	for i, row := range q.pool() {
		group, err := q.group(row)
		if err != nil {
			return err
		}
		q.groups[group] = append(q.groups[group], i)
	}
	_, err := q.ask(0)
	return err
}

func (q *Questions) pool() []Row {
	if q.Examples != nil {
		return q.Examples
	}
	return q.Rows
}

// group returns the group that a row belongs to, "" if the task has none.
func (q *Questions) group(row Row) (string, error) {
	if q.Task.GroupBy == "" {
		return "", nil
	}
	v, ok := row.Fields[q.Task.GroupBy]
	if !ok || v == nil {
		return "", fmt.Errorf("%s: there is no field %s, by which the task groups", row.Place, q.Task.GroupBy)
	}
	return fmt.Sprint(v), nil
}

// question is a row as it is put to the model.
type question struct {
	contexts      []string // one; of tasks in which the choices are contexts, as many as choices
	continuations []string // likewise
	choices       []string
	target        string // the right answer as text
	answer        int    // of the choices
	group         string
}

// ask makes the question of a row, with its examples.
func (q *Questions) ask(i int) (*question, error) {
	row := q.Rows[i]
	a, err := q.Task.question(row)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", row.Place, err)
	}
	if a.group, err = q.group(row); err != nil {
		return nil, err
	}
	before, err := q.before(i, a.group)
	if err != nil {
		return nil, err
	}
	for i := range a.contexts {
		a.contexts[i] = before + a.contexts[i]
	}
	return a, nil
}

// before returns what stands before a question: the description and the examples.
func (q *Questions) before(i int, group string) (string, error) {
	t := q.Task
	var b strings.Builder
	description, err := render(t.Description, q.Rows[i])
	if err != nil {
		return "", fmt.Errorf("%s: description: %w", q.Rows[i].Place, err)
	}
	b.WriteString(description)
	examples, err := q.examples(i, group)
	if err != nil {
		return "", err
	}
	for _, row := range examples {
		e, err := t.question(row)
		if err != nil {
			return "", fmt.Errorf("%s: %w", row.Place, err)
		}
		n := 0
		if len(e.contexts) > 1 {
			n = e.answer
		}
		b.WriteString(e.contexts[n] + delimiter(t.TargetDelimiter, " ") + e.target + delimiter(t.FewshotDelimiter, "\n\n"))
	}
	return b.String(), nil
}

// examples chooses the examples of a question, which are not the question itself.
func (q *Questions) examples(i int, group string) (rows []Row, err error) {
	n := q.Settings.Fewshot
	if n == 0 {
		return nil, nil
	}
	pool, all := q.groups[group], q.pool()
	own := -1
	if q.Examples == nil {
		own = i
	}
	have := len(pool)
	if own >= 0 {
		have--
	}
	if have < n {
		return nil, fmt.Errorf("%s: there are %d rows to take examples from, want %d", q.Rows[i].Place, max(have, 0), n)
	}
	if q.Task.FewshotConfig.Sampler == "first_n" {
		for _, j := range pool {
			if j != own && len(rows) < n {
				rows = append(rows, all[j])
			}
		}
		return rows, nil
	}
	random := rand.New(rand.NewPCG(q.Settings.Seed, uint64(i)))
	taken := map[int]bool{own: true}
	for len(rows) < n {
		if j := pool[random.IntN(len(pool))]; !taken[j] {
			taken[j] = true
			rows = append(rows, all[j])
		}
	}
	return rows, nil
}

// question makes a question of a row, without examples.
func (t *Task) question(row Row) (*question, error) {
	a := &question{}
	var err error
	if t.Output == GenerateUntil {
		context, err1 := t.text(t.DocToText, row)
		a.contexts = []string{context}
		a.target, err = t.text(t.DocToTarget, row)
		return a, errors.Join(wrap("doc_to_text", err1), wrap("doc_to_target", err))
	}
	if a.choices, err = t.choicesOf(row); err != nil {
		return nil, wrap("doc_to_choice", err)
	}
	context, err1 := t.text(t.DocToText, row)
	target, err2 := t.text(t.DocToTarget, row)
	if err := errors.Join(wrap("doc_to_text", err1), wrap("doc_to_target", err2)); err != nil {
		return nil, err
	}
	space := delimiter(t.TargetDelimiter, " ")
	if n, ok := index(context); ok { // the choices are contexts, and what follows them is the target
		a.answer, a.target, a.contexts = n, target, a.choices
		for range a.choices {
			a.continuations = append(a.continuations, space+target)
		}
	} else {
		a.contexts = []string{context}
		if a.answer, ok = index(target); !ok {
			a.answer = -1
			for i, c := range a.choices {
				if c == target && a.answer < 0 {
					a.answer = i
				}
			}
		}
		for _, c := range a.choices {
			a.continuations = append(a.continuations, space+c)
		}
	}
	if a.answer < 0 || a.answer >= len(a.choices) {
		return nil, fmt.Errorf("the answer %.40q is none of the %d choices", target, len(a.choices))
	}
	if len(a.contexts) == 1 {
		a.target = a.choices[a.answer]
	}
	return a, nil
}

// index reads a number without a sign.
func index(s string) (n int, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" || json.Unmarshal([]byte(s), &n) != nil {
		return 0, false
	}
	return n, true
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// pair returns the ids of a context and what continues it, and where that begins. Spaces at the end of the context are taken for the
// beginning of the continuation, as words begin with them, and both are encoded as one text.
func pair(t *text.Text, bos bool, context, continuation string) (ids []int32, from int, err error) {
	bare := strings.TrimRightFunc(context, unicode.IsSpace)
	before, err := encode(t, bos, bare)
	if err != nil {
		return nil, 0, err
	}
	ids, err = encode(t, bos, context+continuation)
	if err != nil {
		return nil, 0, err
	}
	if from = len(before); from == 0 {
		first, ok := t.Tokenizer.BOS()
		if !ok {
			first, ok = t.Tokenizer.EOS()
		}
		if !ok {
			return nil, 0, errors.New("there is nothing before a choice, and the model has no token that begins a text")
		}
		ids, from = append([]int32{first}, ids...), 1
	}
	if from >= len(ids) {
		return nil, 0, fmt.Errorf("the choice %.40q has no tokens", continuation)
	}
	return ids, from, nil
}

func encode(t *text.Text, bos bool, s string) ([]int32, error) {
	ids, err := text.All(t.Tokenizer.Parts(s, false))
	if first, ok := t.Tokenizer.BOS(); ok && bos {
		ids = append([]int32{first}, ids...)
	}
	return ids, err
}
