package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"jamba"
	"jamba/internal/measure/eval"
	"jamba/train/data"
)

// evalTaskFlags are those of evaluations with questions.
type evalTaskFlags struct {
	evalFlags
	Task        string `required:"" placeholder:"NAME|FILE" help:"The task: ${tasks}, or a YAML file."`
	Data        string `required:"" placeholder:"FILE" help:"The questions: .jsonl, .json or .parquet."`
	Fewshot     *int   `placeholder:"N" help:"Examples before each question. Default: as the task says, or none."`
	FewshotData string `placeholder:"FILE" help:"The rows that examples are chosen from. Default: --data, but for the question itself."`
	Seed        uint64 `default:"1234" placeholder:"N" help:"Of the choice of examples. Default: 1234."`
	Limit       int    `placeholder:"N" help:"Only the first N questions."`
	BOS         *bool  `name:"bos" negatable:"" help:"Begin each prompt with the token that begins texts. Default: if the tokenizer does."`
}

const evalTaskHelp = `Tasks are YAML files in the manner of lm-evaluation-harness: doc_to_text, doc_to_choice and doc_to_target are Jinja templates over the fields of a row, so that many of its task files work as they are, with data from a local file. docs/eval.md tells the keys.

` + evalHelp

type evalChoiceCmd struct{ evalTaskFlags }

func (c *evalChoiceCmd) Help() string {
	return `Each question is answered with the choice that the model finds most likely after it: acc counts sums of log-probabilities, acc_norm those by the choices' lengths in characters. Beside them stand their 95 % intervals (Wilson). Questions are computed together, and what they have in common once.

` + evalTaskHelp + `

Examples:
  jamba eval choice -m MODEL --task hellaswag --data validation.parquet -o result.json
  jamba eval choice -m MODEL --task arc --data test.jsonl --fewshot 25 --fewshot-data train.jsonl
  jamba eval choice -m MODEL --task mmlu --data test.parquet --fewshot-data dev.parquet
  jamba eval choice -m MODEL --task my-task.yaml --data rows.jsonl --limit 100`
}

func (c *evalChoiceCmd) Run(s *streams) error {
	return runTask(s, &c.evalTaskFlags, eval.MultipleChoice, eval.SummariseChoice, eval.Choice, printChoice)
}

type evalGenerateCmd struct{ evalTaskFlags }

func (c *evalGenerateCmd) Help() string {
	return `Each question is answered with the most likely tokens, up to one of the task's stop strings; filters take the answer out of the text, and it counts if it is the target as it stands, or as the task's exact_match compares. Beside the share stands its 95 % interval (Wilson).

` + evalTaskHelp + `

Examples:
  jamba eval generate -m MODEL --task gsm8k --data test.jsonl --fewshot-data train.jsonl -o result.json
  jamba eval generate -m MODEL --task my-task.yaml --data rows.jsonl --fewshot 0`
}

func (c *evalGenerateCmd) Run(s *streams) error {
	return runTask(s, &c.evalTaskFlags, eval.GenerateUntil, eval.SummariseAnswers, eval.Generate, printAnswers)
}

// asker asks the questions that a journal lacks.
type asker[R any] func(ctx context.Context, m *jamba.Model, q *eval.Questions, j *eval.Journal[R], progress func(done, total int)) error

// runTask runs an evaluation with questions.
func runTask[R any](s *streams, c *evalTaskFlags, output string, summary func([]R) any, ask asker[R], print func(io.Writer, eval.Result)) error {
	if err := c.apply(); err != nil {
		return err
	}
	q, err := c.questions(output)
	if err != nil {
		return err
	}
	m, about, err := c.open(s)
	if err != nil {
		return err
	}
	defer m.Close()
	if q.Settings.BOS = m.Text().Tokenizer.AddsBOS(); c.BOS != nil {
		q.Settings.BOS = *c.BOS
	}
	if err := q.Check(); err != nil {
		return err
	}
	head := eval.Head{Evaluation: q.Task.Name, Model: about, Settings: q.Settings}
	files := []string{c.Data}
	if c.FewshotData != "" {
		files = append(files, c.FewshotData)
	}
	if head.Data, err = dataFiles(files...); err != nil {
		return err
	}
	j, err := begin(s, &c.evalFlags, head, q.Settings.Questions, summary)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	err = ask(ctx, m, q, j, items(s, "asking"))
	return finish(s, &c.evalFlags, j, err, print)
}

// questions reads the task and its data.
func (c *evalTaskFlags) questions(output string) (*eval.Questions, error) {
	t, source, err := eval.OpenTask(c.Task)
	if err != nil {
		return nil, err
	}
	if t.Output != output {
		verb := map[string]string{eval.MultipleChoice: "choice", eval.GenerateUntil: "generate"}[t.Output]
		return nil, usageError(fmt.Sprintf("the task %s is for jamba eval %s", t.Name, verb))
	}
	if c.Limit < 0 {
		return nil, usageError(fmt.Sprintf("--limit is %d, want 1 or more", c.Limit))
	}
	sum := sha256.Sum256(source)
	q := &eval.Questions{Task: t, Settings: eval.TaskSettings{Task: t.Name, TaskSHA256: hex.EncodeToString(sum[:]), Fewshot: t.NumFewshot, Seed: c.Seed}}
	if c.Fewshot != nil {
		if q.Settings.Fewshot = *c.Fewshot; *c.Fewshot < 0 || *c.Fewshot > eval.MaxFewshot {
			return nil, usageError(fmt.Sprintf("--fewshot is %d, want 0 to %d", *c.Fewshot, eval.MaxFewshot))
		}
	}
	if q.Rows, err = readRows(c.Data); err != nil {
		return nil, err
	}
	if c.FewshotData != "" {
		if q.Examples, err = readRows(c.FewshotData); err != nil {
			return nil, err
		}
	}
	q.Settings.Questions = len(q.Rows)
	if c.Limit > 0 {
		q.Settings.Questions = min(c.Limit, len(q.Rows))
	}
	return q, nil
}

func readRows(path string) ([]eval.Row, error) {
	rows := []eval.Row{}
	for row, err := range (&data.Sources{Paths: []string{path}}).Rows {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// items returns a function that draws a bar of the items that are done.
func items(s *streams, what string) func(done, total int) {
	draw := bar(s.err, what)
	if draw == nil {
		return nil
	}
	return func(done, total int) { draw(int64(done), int64(total)) }
}

func printShare(w io.Writer, name string, a eval.Accuracy) {
	fmt.Fprintf(w, "%-17s %.2f %% (%.2f to %.2f)\n", name, 100*a.Share.Share, 100*a.Low, 100*a.High)
}

func printChoice(w io.Writer, r eval.Result) {
	t := r.Summary.(eval.ChoiceSummary)
	fmt.Fprintf(w, "questions         %d of %s\n", t.Questions, r.Evaluation)
	printShare(w, "acc", t.Acc)
	printShare(w, "acc_norm", t.AccNorm)
	for _, name := range eval.GroupNames(t.Groups) {
		printShare(w, "  "+name, t.Groups[name].Acc)
	}
}

func printAnswers(w io.Writer, r eval.Result) {
	t := r.Summary.(eval.AnswerSummary)
	fmt.Fprintf(w, "questions         %d of %s\n", t.Questions, r.Evaluation)
	for _, name := range eval.GroupNames(t.Exact) {
		printShare(w, "exact, "+name, t.Exact[name])
	}
	for _, group := range eval.GroupNames(t.Groups) {
		for _, name := range eval.GroupNames(t.Groups[group].Exact) {
			printShare(w, "  "+group+", "+name, t.Groups[group].Exact[name])
		}
	}
}
