package eval

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"jamba/internal/bounded"
	"jamba/jinja"
)

// Task says how rows of data become questions and how answers are judged: a file in the manner of lm-evaluation-harness, with those of
// its keys that need no Python. Its data come from elsewhere.
type Task struct {
	Name             string         `yaml:"task"`
	Output           string         `yaml:"output_type"`
	Description      string         `yaml:"description"` // before the examples
	DocToText        string         `yaml:"doc_to_text"`
	DocToChoice      choices        `yaml:"doc_to_choice"`
	DocToTarget      string         `yaml:"doc_to_target"`
	TargetDelimiter  *string        `yaml:"target_delimiter"`
	FewshotDelimiter *string        `yaml:"fewshot_delimiter"`
	NumFewshot       int            `yaml:"num_fewshot"`
	FewshotConfig    fewshot        `yaml:"fewshot_config"`
	Generation       generation     `yaml:"generation_kwargs"`
	Filters          []filters      `yaml:"filter_list"`
	Metrics          []metric       `yaml:"metric_list"`
	Substitute       []substitution `yaml:"substitute"` // ours: in texts, choices and targets
	GroupBy          string         `yaml:"group_by"`   // ours: a field; examples come from the same group, and results are given for each

	Data map[string]any `yaml:",inline"` // what says where data are from, and the like
}

// The choices of Task.Output.
const (
	MultipleChoice = "multiple_choice"
	GenerateUntil  = "generate_until"
)

// choices is a template that gives a list, or a list of templates.
type choices struct {
	list string
	each []string
}

// UnmarshalYAML reads either.
func (c *choices) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode(&c.each)
	}
	return n.Decode(&c.list)
}

type fewshot struct {
	Sampler string `yaml:"sampler"` // first_n; "": at random
}

type generation struct {
	Until       []string `yaml:"until"`
	MaxGenToks  int      `yaml:"max_gen_toks"`
	DoSample    bool     `yaml:"do_sample"`
	Temperature float64  `yaml:"temperature"`
}

// filters take an answer out of what was generated.
type filters struct {
	Name  string   `yaml:"name"`
	Steps []filter `yaml:"filter"`
}

type filter struct {
	Function string  `yaml:"function"` // regex or take_first
	Pattern  string  `yaml:"regex_pattern"`
	Group    int     `yaml:"group_select"` // which of the matches; -1: the last
	Fallback *string `yaml:"fallback"`

	re *regexp.Regexp
}

// metric is how answers are compared with targets; lm-eval's other keys say how numbers are summed up.
type metric struct {
	Metric            string   `yaml:"metric"`
	IgnoreCase        bool     `yaml:"ignore_case"`
	IgnorePunctuation bool     `yaml:"ignore_punctuation"`
	RegexesToIgnore   []string `yaml:"regexes_to_ignore"`
	Aggregation       string   `yaml:"aggregation"`
	HigherIsBetter    bool     `yaml:"higher_is_better"`

	ignored []*regexp.Regexp
}

type substitution struct {
	Pattern string `yaml:"pattern"`
	With    string `yaml:"with"` // as it is

	re *regexp.Regexp
}

// elsewhere are keys of lm-eval that say where its data are from, or that change no number here.
var elsewhere = []string{
	"tag", "group", "task_alias", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split", "test_split", "fewshot_split",
	"should_decontaminate", "doc_to_decontamination_query", "metadata", "repeats",
}

//go:embed tasks/*.yaml
var embedded embed.FS

// maxTask bounds a task's file, in bytes.
const maxTask = 1 << 20

// TaskNames returns the names of the tasks that the program has.
func TaskNames() (names []string) {
	files, _ := fs.ReadDir(embedded, "tasks") // which is there
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return names
}

// OpenTask returns the task of that name, or reads the one in the file of that name. source is what it was read from.
func OpenTask(name string) (t *Task, source []byte, err error) {
	if !strings.ContainsAny(name, "./\\") {
		if source, err = embedded.ReadFile(path.Join("tasks", name+".yaml")); err != nil {
			return nil, nil, fmt.Errorf("there is no task %.40q; %s are known, and files named .yaml", name, strings.Join(TaskNames(), ", "))
		}
	} else if source, err = bounded.ReadText(name, maxTask); err != nil {
		return nil, nil, err
	}
	if t, err = ParseTask(source); err != nil {
		return nil, nil, fmt.Errorf("task %s: %w", name, err)
	}
	return t, source, nil
}

// ParseTask reads a task. What would change a number and is not supported is an error.
func ParseTask(source []byte) (*Task, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, err
	}
	if line := python(&root, 0); line > 0 {
		return nil, fmt.Errorf("line %d: !function is Python, which is not run; say it with templates, and substitute", line)
	}
	t := &Task{}
	if err := root.Decode(t); err != nil {
		return nil, err
	}
	for key := range t.Data {
		if !slices.Contains(elsewhere, key) {
			return nil, fmt.Errorf("the key %.60q is not supported", key)
		}
	}
	return t, t.check()
}

// python returns the line of the first node that names a Python function, 0 if there is none.
func python(n *yaml.Node, depth int) int {
	if n.Tag == "!function" {
		return n.Line
	}
	if depth > 100 {
		return 0 // aliases may go in circles, which Decode refuses
	}
	for _, c := range n.Content {
		if line := python(c, depth+1); line > 0 {
			return line
		}
	}
	return 0
}

// check sets defaults and makes sense of expressions.
func (t *Task) check() (err error) {
	if t.Output != MultipleChoice && t.Output != GenerateUntil {
		return fmt.Errorf("output_type %.40q is not supported; %s and %s are", t.Output, MultipleChoice, GenerateUntil)
	}
	if t.Name == "" || t.DocToText == "" || t.DocToTarget == "" {
		return errors.New("task, doc_to_text and doc_to_target have to be there")
	}
	if (t.DocToChoice.list == "" && t.DocToChoice.each == nil) != (t.Output == GenerateUntil) {
		return errors.New("doc_to_choice is for multiple_choice, and has to be there")
	}
	if t.NumFewshot < 0 || t.NumFewshot > MaxFewshot {
		return fmt.Errorf("num_fewshot is %d, want 0 to %d", t.NumFewshot, MaxFewshot)
	}
	if s := t.FewshotConfig.Sampler; s != "" && s != "first_n" && s != "default" {
		return fmt.Errorf("the sampler %.40q is not supported; first_n and default are", s)
	}
	if t.Generation.DoSample || t.Generation.Temperature != 0 {
		return errors.New("generation_kwargs: do_sample and temperature are not supported; the most likely tokens are taken")
	}
	if t.Generation.MaxGenToks < 0 {
		return fmt.Errorf("max_gen_toks is %d, want 1 or more", t.Generation.MaxGenToks)
	}
	if t.Generation.MaxGenToks == 0 {
		t.Generation.MaxGenToks = 256
	}
	for i := range t.Substitute {
		if t.Substitute[i].re, err = compile(t.Substitute[i].Pattern); err != nil {
			return err
		}
	}
	for _, f := range t.Filters {
		for i := range f.Steps {
			switch s := &f.Steps[i]; s.Function {
			case "take_first":
			case "regex":
				if s.re, err = compile(s.Pattern); err != nil {
					return err
				}
			default:
				return fmt.Errorf("the filter %.40q is not supported; regex and take_first are", s.Function)
			}
		}
	}
	for i := range t.Metrics {
		m := &t.Metrics[i]
		if known := []string{"acc", "acc_norm", "exact_match"}; !slices.Contains(known, m.Metric) {
			return fmt.Errorf("the metric %.40q is not supported; %s are", m.Metric, strings.Join(known, ", "))
		}
		for _, p := range m.RegexesToIgnore {
			re, err := compile(p)
			if err != nil {
				return err
			}
			m.ignored = append(m.ignored, re)
		}
	}
	return nil
}

func compile(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%w; of Python's expressions those that RE2 has are supported", err)
	}
	return re, nil
}

// delimiter returns a delimiter, or its default.
func delimiter(given *string, otherwise string) string {
	if given != nil {
		return *given
	}
	return otherwise
}

var (
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	expression = regexp.MustCompile(`^\s*\{\{((?:[^{}]|\{[^{}]*\})*)\}\}\s*$`)
)

// render renders a template with a row. A line end at the end of the template stays.
func render(source string, row Row) (string, error) {
	if strings.HasSuffix(source, "\n") {
		source += "\n" // one is taken away
	}
	t, err := jinja.Parse("the task's template", source)
	if err != nil {
		return "", err
	}
	return t.Render(row.Fields, jinja.Options{Strict: true})
}

// value returns the value of a field, if source is the name of one, or of a template that is one expression.
func value(source string, row Row) (v any, err error) {
	e := ""
	if m := expression.FindStringSubmatch(source); m != nil {
		e = m[1]
	} else if _, ok := row.Fields[source]; ok && fieldName.MatchString(source) {
		e = source
	} else {
		return nil, fmt.Errorf("%q is neither a field of the row nor one expression in {{ }}", source)
	}
	b, err := render("{{ ("+e+") | tojson }}", row)
	if err != nil {
		return nil, err
	}
	return v, json.Unmarshal([]byte(b), &v)
}

// text returns what a template or a field says of a row, after the task's substitutions.
func (t *Task) text(source string, row Row) (string, error) {
	if _, ok := row.Fields[source]; ok && fieldName.MatchString(source) {
		source = "{{" + source + "}}"
	}
	s, err := render(source, row)
	return t.clean(s), err
}

func (t *Task) clean(s string) string {
	for _, u := range t.Substitute {
		s = u.re.ReplaceAllLiteralString(s, u.With)
	}
	return s
}

// choicesOf returns the choices of a row.
func (t *Task) choicesOf(row Row) (all []string, err error) {
	if t.DocToChoice.each != nil {
		for _, c := range t.DocToChoice.each {
			s, err := render(c, row)
			if err != nil {
				return nil, err
			}
			all = append(all, t.clean(s))
		}
	} else {
		v, err := value(t.DocToChoice.list, row)
		if err != nil {
			return nil, err
		}
		list, ok := v.([]any)
		if !ok {
			return nil, errors.New("doc_to_choice gives no list")
		}
		for _, c := range list {
			s, ok := c.(string)
			if !ok {
				return nil, fmt.Errorf("the choice %v is no string", c)
			}
			all = append(all, t.clean(s))
		}
	}
	if len(all) < 2 || len(all) > maxChoices {
		return nil, fmt.Errorf("there are %d choices, want 2 to %d", len(all), maxChoices)
	}
	return all, nil
}

// Bounds of what a row may ask for.
const (
	maxChoices = 256
	MaxFewshot = 1000 // examples before a question
)
