// Stories writes short stories in simple English with an instruction-tuned model, many at a time, to train a small model
// on: JSON lines with the field text.
//
//	go run ./scripts/default-model/stories -m models/SmolLM2-135M-Instruct.Q4_1.gguf -n 5000 -o stories.jsonl
//
// Each story is asked for with other words, so that they differ. The same seed asks for the same stories. Those that
// repeat themselves, talk of the request, or begin as another did are left out; the last lines say how many. A run that is
// interrupted is continued by the same command: what the file holds is kept.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"jamba"
	"jamba/internal/kernel/par"
)

func main() {
	path := flag.String("m", "", "the model, a folder or .gguf file")
	n := flag.Int("n", 1000, "how many stories to ask for, those left out among them")
	out := flag.String("o", "stories.jsonl", "the file to write, or to continue")
	batch := flag.Int("batch", 32, "how many are written at the same time")
	seed := flag.Uint64("seed", 1, "seed of the prompts and of sampling")
	threads := flag.Int("threads", 0, "threads; 0: all cores")
	flag.Parse()
	par.SetThreads(*threads)
	if err := run(*path, *out, *n, *batch, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "stories:", err)
		os.Exit(1)
	}
}

func run(path, out string, n, batch int, seed uint64) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m, err := jamba.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	f, first, seen, err := resume(out)
	if err != nil {
		return err
	}
	defer f.Close()
	w := &writer{model: m, keep: newFilter(seen)}
	start := time.Now()
	w.progress = func(begun int) {
		fmt.Fprintf(os.Stderr, "\r%d of %d begun, %d kept, %.0f tok/s ", begun, n, w.keep.kept, float64(w.tokens)/time.Since(start).Seconds())
	}
	err = w.write(ctx, first, n, batch, seed, func(s story) error {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = f.Write(append(line, '\n'))
		return err
	})
	fmt.Fprintf(os.Stderr, "\nkept %d; left out: %v\n", w.keep.kept, w.keep.reasons)
	return err
}

// story is a line of the file.
type story struct {
	Number int    `json:"number"` // of the request
	Text   string `json:"text"`
}

// resume opens the file to append to, and returns the number of the first request that may be missing in it, and its
// stories. Requests end out of order: a few around the interruption are lost.
func resume(path string) (f *os.File, next int, seen []string, err error) {
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, 0, nil, err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	end := int64(0)
	for lines.Scan() {
		var s story
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			break // broken off
		}
		end += int64(len(lines.Bytes())) + 1
		next = max(next, s.Number+1)
		seen = append(seen, s.Text)
	}
	if err = f.Truncate(end); err == nil {
		_, err = f.Seek(end, 0)
	}
	return f, next, seen, err
}

// random returns the random numbers of one request.
func random(seed uint64, number int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(number))) }
