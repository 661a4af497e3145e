package eval

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/train/data"
)

func rowsOf(t *testing.T, path string) (rows []Row) {
	t.Helper()
	for row, err := range (&data.Sources{Paths: []string{path}}).Rows {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// TestTasks compares the questions of the tasks at hand, with examples, with those that lm-evaluation-harness's own task files make of
// the same rows, in JSONL and in Parquet: see testdata/make.py.
func TestTasks(t *testing.T) {
	type item struct {
		Contexts, Continuations []string
		Answer                  int
		Target                  string
	}
	want := testutil.JSON[map[string][]item](t, "testdata/questions.json")
	for _, name := range TaskNames() {
		for _, ending := range []string{".jsonl", ".parquet"} {
			task, _, err := OpenTask(name)
			if err != nil {
				t.Fatal(err)
			}
			task.FewshotConfig.Sampler = "first_n"
			q := &Questions{Task: task, Rows: rowsOf(t, filepath.Join("testdata", name+ending)), Settings: TaskSettings{Fewshot: 2}}
			if err := q.Check(); err != nil {
				t.Fatal(name, err)
			}
			var got []item
			for i := range q.Rows {
				a, err := q.ask(i)
				if err != nil {
					t.Fatal(name, err)
				}
				if task.Output == MultipleChoice {
					a.target = ""
				}
				got = append(got, item{a.contexts, a.continuations, a.answer, a.target})
			}
			if diff := cmp.Diff(want[name], got); diff != "" || len(got) == 0 {
				t.Errorf("%s%s (-want +got):\n%s", name, ending, diff)
			}
		}
	}
}

func openModel(t *testing.T) *jamba.Model {
	t.Helper()
	m, err := jamba.OpenWith(testutil.Golden("e2e", "model"), jamba.OpenOptions{Options: checkpoint.Options{Precision: model.Exact}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// questions opens a task and rows of the golden data.
func questions(t *testing.T, task, rows string) *Questions {
	t.Helper()
	own, _, err := OpenTask(testutil.Golden("e2e", "tasks", task))
	if err != nil {
		t.Fatal(err)
	}
	q := &Questions{Task: own, Rows: rowsOf(t, testutil.Golden("e2e", "tasks", rows))}
	if q.Settings.Questions = len(q.Rows); q.Check() != nil {
		t.Fatal(q.Check())
	}
	return q
}

func openJournal[R any](t *testing.T, path string, summary func([]R) any) *Journal[R] {
	t.Helper()
	j, err := OpenJournal(path, Head{Evaluation: "x"}, summary)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// expected is what lm-evaluation-harness computed with the reference.
type expected struct {
	Tasks struct {
		MC []struct {
			Loglikelihoods []float64
			IsGreedy       []bool `json:"is_greedy"`
		} `json:"jm_mc"`
		Gen []struct{ Text string } `json:"jm_gen"`
	}
	Results map[string]map[string]float64
}

// TestLMEvalChoice runs lm-evaluation-harness's own task file and compares with what it computed with the reference: log-likelihoods within
// 1e-3, accuracies and their standard errors.
func TestLMEvalChoice(t *testing.T) {
	want := testutil.JSON[expected](t, testutil.Golden("e2e", "expected.json"))
	q, m := questions(t, "jm_mc.yaml", "mc.jsonl"), openModel(t)
	j := openJournal(t, "", SummariseChoice)
	if err := Choice(context.Background(), m, q, j, nil); err != nil {
		t.Fatal(err)
	}
	records := j.Records()
	if len(records) != len(want.Tasks.MC) {
		t.Fatalf("%d records, want %d", len(records), len(want.Tasks.MC))
	}
	for i, r := range records {
		for k, v := range want.Tasks.MC[i].Loglikelihoods {
			if math.Abs(r.LogLikelihoods[k]-v) > 1e-3 || r.Greedy[k] != want.Tasks.MC[i].IsGreedy[k] {
				t.Errorf("question %d choice %d: %v %v, want %v %v", i, k, r.LogLikelihoods[k], r.Greedy[k], v, want.Tasks.MC[i].IsGreedy[k])
			}
		}
	}
	s, w := SummariseChoice(records).(ChoiceSummary), want.Results["jm_mc"]
	for name, pair := range map[string][2]float64{
		"acc": {s.Acc.Share.Share, w["acc,none"]}, "acc_stderr": {s.Acc.StandardError, w["acc_stderr,none"]},
		"acc_norm": {s.AccNorm.Share.Share, w["acc_norm,none"]}, "acc_norm_stderr": {s.AccNorm.StandardError, w["acc_norm_stderr,none"]},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

// TestLMEvalGenerate is the same of texts.
func TestLMEvalGenerate(t *testing.T) {
	want := testutil.JSON[expected](t, testutil.Golden("e2e", "expected.json"))
	j := openJournal(t, "", SummariseAnswers)
	if err := Generate(context.Background(), openModel(t), questions(t, "jm_gen.yaml", "gen.jsonl"), j, nil); err != nil {
		t.Fatal(err)
	}
	for i, r := range j.Records() {
		if r.Text != want.Tasks.Gen[i].Text || r.Exact["none"] {
			t.Errorf("prompt %d: %q, want %q", i, r.Text, want.Tasks.Gen[i].Text)
		}
	}
	if s := SummariseAnswers(j.Records()).(AnswerSummary); s.Questions != len(want.Tasks.Gen) || s.Exact["none"].Share.Share != 0 {
		t.Errorf("%+v", s)
	}
}

// TestShared asserts that examples and contexts are computed once, and that numbers are the same bits with them and without.
func TestShared(t *testing.T) {
	q := questions(t, "jm_mc.yaml", "mc.jsonl")
	q.Task.FewshotConfig.Sampler, q.Settings.Fewshot, q.Settings.Questions = "first_n", 4, 6
	q.Examples = q.Rows[len(q.Rows)-4:]
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	m := openModel(t)
	j := openJournal(t, "", SummariseChoice)
	if err := Choice(context.Background(), m, q, j, nil); err != nil {
		t.Fatal(err)
	}
	c := m.Counters()
	if c.ReusedTokens < c.PromptTokens/2 {
		t.Errorf("%d of %d tokens were known, want most", c.ReusedTokens, c.PromptTokens)
	}
	for i, r := range j.Records() {
		a, err := q.ask(i)
		if err != nil {
			t.Fatal(err)
		}
		for k := range a.choices {
			ids, from, err := pair(m.Text(), false, a.contexts[0], a.continuations[k])
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for p, err := range openModel(t).GenerateIDs(context.Background(), ids, jamba.Options{MaxTokens: -1, ScorePrompt: true}) {
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range p.Prompt[from-1:] {
					sum += s.Logprob.Logprob
				}
			}
			if sum != r.LogLikelihoods[k] {
				t.Errorf("question %d choice %d: %v, alone %v", i, k, r.LogLikelihoods[k], sum)
			}
			if k == 1 {
				break
			}
		}
	}
}

// TestResumeChoice: questions in parallel, interrupted and gone on with, give the records of an uninterrupted run.
func TestResumeChoice(t *testing.T) {
	q, m := questions(t, "jm_mc.yaml", "mc.jsonl"), openModel(t)
	whole := openJournal(t, "", SummariseChoice)
	if err := Choice(context.Background(), m, q, whole, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "result.json")
	j := openJournal(t, path, SummariseChoice)
	ctx, cancel := context.WithCancel(context.Background())
	if err := Choice(ctx, m, q, j, func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	j = openJournal(t, path, SummariseChoice)
	if j.Done() == 0 || j.Done() == len(q.Rows) {
		t.Errorf("%d of %d were done", j.Done(), len(q.Rows))
	}
	if err := Choice(context.Background(), m, q, j, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole.Records(), j.Records()); diff != "" {
		t.Errorf("records (-whole +resumed):\n%s", diff)
	}
}

// TestPair: a space at the end of a context belongs to the word after it.
func TestPair(t *testing.T) {
	own := openText(t)
	for _, test := range [][2]string{{"The house", " is green"}, {"The house ", "is green"}, {"The house  \n", "is green"}, {"", " is green"}} {
		ids, from, err := pair(own, true, test[0], test[1])
		if err != nil {
			t.Fatal(err)
		}
		before, after := own.Tokenizer.Decode(ids[:from], true), own.Tokenizer.Decode(ids[from:], true)
		if before != strings.TrimSpace(test[0]) || strings.TrimSpace(after) != "is green" {
			t.Errorf("%q and %q become %q and %q", test[0], test[1], before, after)
		}
	}
	bare, from, err := pair(own, false, "", "green")
	if bos, _ := own.Tokenizer.BOS(); err != nil || from != 1 || bare[0] != bos {
		t.Errorf("without a context: %v from %d, error %v", bare, from, err)
	}
	if _, _, err := pair(own, false, "x", ""); err == nil {
		t.Error("no error of a choice without tokens")
	}
}

// TestExamples: chosen at random they are others for other questions and seeds, the same again, never the question, and of its group.
func TestExamples(t *testing.T) {
	task, err := ParseTask([]byte("task: x\noutput_type: generate_until\ndoc_to_text: a\ndoc_to_target: b\ngroup_by: g\n"))
	if err != nil {
		t.Fatal(err)
	}
	q := &Questions{Task: task, Settings: TaskSettings{Fewshot: 3, Seed: 5}}
	for i := range 40 {
		q.Rows = append(q.Rows, Row{Place: "r", Fields: map[string]any{"a": "text", "b": i, "g": i % 2}})
	}
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	chosen := func(i int) (all []any) {
		group, _ := q.group(q.Rows[i])
		rows, err := q.examples(i, group)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			all = append(all, r.Fields["b"])
		}
		return all
	}
	seen := map[int]bool{}
	for i := range q.Rows {
		rows := chosen(i)
		for k, b := range rows {
			if b == i || b.(int)%2 != i%2 || k > 0 && b == rows[k-1] {
				t.Errorf("question %d: %v", i, rows)
			}
			seen[b.(int)] = true
		}
		if !cmp.Equal(rows, chosen(i)) {
			t.Error("the examples changed")
		}
	}
	before := chosen(0)
	if q.Settings.Seed = 6; cmp.Equal(before, chosen(0)) || len(seen) < 30 {
		t.Errorf("seeds do not count, or only %d of 40 rows were chosen", len(seen))
	}
	q.Settings.Fewshot = 20
	if err := q.Check(); err == nil || !strings.Contains(err.Error(), "19 rows to take examples from, want 20") {
		t.Errorf("error %v", err)
	}
}

// TestFilters: what the filters of gsm8k take out, and what counts as exact.
func TestFilters(t *testing.T) {
	task, _, err := OpenTask("gsm8k")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"2 * 1200 = 2400\n#### 2,400":    {"2,400", "2,400"},
		" So it is $2400.":               {"[invalid]", "$2400."},
		"none":                           {"[invalid]", "[invalid]"},
		"#### 1\nQ\n#### 2400 and 7":     {"1", "7"},
		"The answer is 2400":             {"[invalid]", "2400"},
		"#### -5 or (2,400) and nothing": {"-5", "2,400"},
	} {
		got := [2]string{task.Filters[0].apply(text), task.Filters[1].apply(text)}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for answer, want := range map[string]bool{"2,400": true, "2400": true, "$2,400.": true, "240": false, "[invalid]": false, "#### 2400": true} {
		if task.exact(answer, "2 * 1200 = 2400\n#### 2,400") != want {
			t.Errorf("%q counts as %v", answer, !want)
		}
	}
	other, err := ParseTask([]byte("task: x\noutput_type: generate_until\ndoc_to_text: a\ndoc_to_target: b\nmetric_list: [{metric: exact_match, ignore_punctuation: true}]\n"))
	if err != nil || !other.exact("a-b! c", "ab c") || other.exact("A", "a") {
		t.Errorf("error %v", err)
	}
}

// TestGroups: scores of groups, and ties, of which the first counts.
func TestGroups(t *testing.T) {
	s := SummariseChoice([]ChoiceRecord{
		{[]float64{-4, -2}, nil, []int{4, 1}, 1, "a"},
		{[]float64{-3, -3}, nil, []int{1, 1}, 0, "a"},
		{[]float64{-1, -3}, nil, []int{1, 4}, 1, "b"},
	}).(ChoiceSummary)
	if s.Acc.Share.Share != 2./3 || s.AccNorm.Share.Share != 2./3 || s.Groups["a"].Acc.Share.Share != 1 || s.Groups["a"].AccNorm.Share.Share != 0.5 || s.Groups["b"].Acc.Share.Share != 0 || s.Groups["b"].AccNorm.Share.Share != 1 {
		t.Errorf("%+v", s)
	}
}

// TestBadTasks asserts that what would change a number and is not supported is an error.
func TestBadTasks(t *testing.T) {
	const good = "task: x\noutput_type: multiple_choice\ndoc_to_text: \"{{q}}\"\ndoc_to_choice: c\ndoc_to_target: \"{{a}}\"\n"
	if _, err := ParseTask([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for want, source := range map[string]string{
		"line 6: !function is Python":               good + "process_docs: !function utils.process\n",
		`the key "process_docs" is not supported`:   good + "process_docs: x\n",
		"output_type \"loglikelihood\" is not":      strings.Replace(good, "multiple_choice", "loglikelihood", 1),
		"doc_to_choice is for multiple_choice":      strings.Replace(good, "multiple_choice", "generate_until", 1),
		"have to be there":                          "output_type: multiple_choice\n",
		"num_fewshot is -1":                         good + "num_fewshot: -1\n",
		"do_sample and temperature are not":         good + "generation_kwargs: {do_sample: true}\n",
		"the metric \"f1\" is not supported":        good + "metric_list: [{metric: f1}]\n",
		"the filter \"map\" is not supported":       good + "filter_list: [{name: a, filter: [{function: map}]}]\n",
		"those that RE2 has":                        good + "substitute: [{pattern: '(?=x)', with: y}]\n",
		"the sampler \"balanced\" is not supported": good + "fewshot_config: {sampler: balanced}\n",
		"cannot unmarshal":                          good + "num_fewshot: many\n",
		"anchor":                                    "a: &a [*a, *a]\n" + good,
		"did not find expected":                     ":\n- {",
	} {
		if _, err := ParseTask([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	task, _ := ParseTask([]byte(good))
	for want, fields := range map[string]map[string]any{
		"r:7: doc_to_text: ":                        {"c": []any{"x", "y"}, "a": 1},
		"'q' is undefined":                          {"c": []any{"x", "y"}, "a": 1},
		"doc_to_choice":                             {"q": "x", "a": 1},
		"gives no list":                             {"q": "x", "c": "xy", "a": 1},
		"the choice 3 is no string":                 {"q": "x", "c": []any{3}, "a": 1},
		"there are 1 choices":                       {"q": "x", "c": []any{"x"}, "a": 0},
		"the answer \"2\" is none of the 2 choices": {"q": "x", "c": []any{"x", "y"}, "a": 2},
	} {
		q := &Questions{Task: task, Rows: []Row{{Place: "r:7", Fields: fields}}}
		if err := q.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, _, err := OpenTask("winograd"); err == nil || !strings.Contains(err.Error(), "hellaswag") {
		t.Errorf("error %v", err)
	}
	if _, _, err := OpenTask(filepath.Join(t.TempDir(), "x.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
