package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"jamba/internal/bounded"
	"jamba/internal/durable"
)

// Head says what a result is of. Two results with the same Head, its times left out, have the same records.
type Head struct {
	Evaluation string     `json:"evaluation"`
	Model      Model      `json:"model"`
	Reference  *Model     `json:"reference,omitempty"`
	Data       []DataFile `json:"data,omitempty"`
	Settings   any        `json:"settings"`
	Versions   Versions   `json:"versions"`
	Begun      time.Time  `json:"begun"`
	Ended      *time.Time `json:"ended,omitempty"` // absent: not all is done
}

// Model is what is evaluated.
type Model struct {
	Name      string `json:"name"`
	Hash      string `json:"hash"` // of settings and weights, see checkpoint.Checkpoint.Hash
	Precision string `json:"precision"`
	Weights   string `json:"weights,omitempty"` // that were rounded to this type
	KV        string `json:"kv,omitempty"`      // that keys and values are kept in, if not as the precision says
	Adapter   string `json:"adapter,omitempty"`
	// AdapterHash is of the adapter's weights.
	AdapterHash string `json:"adapter_hash,omitempty"`
}

// DataFile is a file of items.
type DataFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Versions are those of the programs that the numbers are from.
type Versions struct {
	Jamba   string `json:"jamba"`
	Kernels string `json:"kernels"` // the tier
}

// Journal is the records of an evaluation, R each, by the index of their item.
type Journal[R any] struct {
	Head    Head
	summary func([]R) any
	path    string // "": they are not kept
	records map[int]R
	saved   time.Time
}

// entry is a record as the file has it.
type entry[R any] struct {
	Item   int `json:"item"`
	Record R   `json:"record"`
}

// saveEvery is how much time at most is lost when the program is killed.
const saveEvery = 10 * time.Second

// maxResult bounds the file of a result that goes on, in bytes.
const maxResult = 1 << 30

// OpenJournal begins an evaluation, or goes on with the one whose result is at path: records that it has are not computed again.
// With path "" nothing is kept. It is an error if there is a result with another Head. summary makes the summary of records.
func OpenJournal[R any](path string, head Head, summary func([]R) any) (*Journal[R], error) {
	head.Begun = time.Now().UTC().Truncate(time.Second)
	j := &Journal[R]{Head: head, summary: summary, path: path, records: map[int]R{}}
	if path == "" {
		return j, nil
	}
	b, err := bounded.ReadFile(path, maxResult)
	if errors.Is(err, fs.ErrNotExist) {
		return j, j.Save()
	}
	if err != nil {
		return nil, err
	}
	var there struct {
		Head
		Records []entry[R] `json:"records"`
	}
	if err := json.Unmarshal(b, &there); err != nil || there.Evaluation == "" {
		return nil, fmt.Errorf("%s is there and no result of an evaluation; remove it, or name another file", path)
	}
	if other := differences(head, there.Head); len(other) > 0 {
		return nil, fmt.Errorf("%s has the result of another evaluation, which differs in %s; remove it, or name another file", path, strings.Join(other, ", "))
	}
	j.Head.Begun, j.Head.Ended = there.Begun, there.Ended
	for _, e := range there.Records {
		j.records[e.Item] = e.Record
	}
	return j, nil
}

// differences returns the names of what differs between two heads.
func differences(a, b Head) (names []string) {
	x, y := fields("", a), fields("", b)
	for name := range x {
		if !bytes.Equal(x[name], y[name]) {
			names = append(names, name)
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fields returns the values of an object by their paths, but for times.
func fields(path string, v any) map[string]json.RawMessage {
	raw, ok := v.(json.RawMessage)
	if !ok {
		raw, _ = json.Marshal(v) // of types that can be marshalled
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object == nil {
		var compact bytes.Buffer
		_ = json.Compact(&compact, raw)
		return map[string]json.RawMessage{path: compact.Bytes()}
	}
	all := map[string]json.RawMessage{}
	for name, value := range object {
		if path == "" && (name == "begun" || name == "ended") {
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		maps.Copy(all, fields(name, value))
	}
	return all
}

// Has reports whether the record of an item is there.
func (j *Journal[R]) Has(item int) bool {
	_, ok := j.records[item]
	return ok
}

// Done returns how many records there are.
func (j *Journal[R]) Done() int { return len(j.records) }

// Add adds the record of an item, and writes the file if it was not written for some time.
func (j *Journal[R]) Add(item int, r R) error {
	j.records[item] = r
	if time.Since(j.saved) < saveEvery {
		return nil
	}
	return j.Save()
}

// Finish notes that all is done, and writes the file.
func (j *Journal[R]) Finish() error {
	if j.Head.Ended == nil {
		now := time.Now().UTC().Truncate(time.Second)
		j.Head.Ended = &now
		return j.Save()
	}
	return nil
}

// Records returns the records in the order of their items.
func (j *Journal[R]) Records() []R {
	all := make([]R, 0, len(j.records))
	for _, item := range slices.Sorted(maps.Keys(j.records)) {
		all = append(all, j.records[item])
	}
	return all
}

// Result is a result without its records.
type Result struct {
	Head
	Items   int `json:"items"` // that are done
	Summary any `json:"summary"`
}

// Result returns the result so far.
func (j *Journal[R]) Result() Result {
	return Result{j.Head, len(j.records), j.summary(j.Records())}
}

// Save writes the file, with a line for each record.
func (j *Journal[R]) Save() error {
	j.saved = time.Now()
	if j.path == "" {
		return nil
	}
	head, err := json.MarshalIndent(j.Result(), "", "  ")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n  \"records\": [")
	for i, item := range slices.Sorted(maps.Keys(j.records)) {
		line, err := json.Marshal(entry[R]{item, j.records[item]})
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return durable.WriteFile(j.path, func(f *os.File) error {
		_, err := f.Write(b.Bytes())
		return err
	})
}

// Each makes the records of those of so many items that have none, with f, several items at a time, and finishes the journal. What is
// done when an error or the end of ctx ends it is kept. progress, if not nil, is told of the items that are done.
func (j *Journal[R]) Each(ctx context.Context, items, together int, f func(ctx context.Context, item int) (R, error), progress func(done, total int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, together)
	for item := range items {
		mu.Lock()
		has := j.Has(item)
		mu.Unlock()
		if has {
			continue
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			r, err := f(ctx, item)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				if err = j.Add(item, r); progress != nil {
					progress(j.Done(), items)
				}
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return errors.Join(err, j.Save())
	}
	return j.Finish()
}
