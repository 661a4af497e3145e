package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"jamba"
	"jamba/serve"
	"jamba/serve/models"
)

// HTTPPlan says how to measure a server.
type HTTPPlan struct {
	Clients []int // that ask at the same time
	Prompt  int   // tokens of each one's prompt
	Steps   int   // tokens of each answer
	Reps    int
}

// HTTP compares clients that stream completions through HTTP with as many that ask the same engine without: the time to the first text,
// the mean of the clients, and tokens a second. Both are measured in turn, on prompts of tokens at random; ratios are medians of those
// of repetitions next to each other.
func HTTP(ctx context.Context, m *jamba.Model, p HTTPPlan, result func(Result)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- serve.New(serve.Options{}, models.Opened("bench", m)).Run(ctx, l, time.Second) }()
	url := fmt.Sprintf("http://%s/v1/completions", l.Addr())
	random := rand.New(rand.NewPCG(1, 2))
	ways := [2]func(ids []int32) (time.Duration, error){
		func(ids []int32) (time.Duration, error) { return direct(ctx, m, ids, p.Steps) },
		func(ids []int32) (time.Duration, error) { return throughHTTP(ctx, url, ids, p.Steps) },
	}
	for _, n := range p.Clients {
		var first, speed [2][]float64
		for rep := range p.Reps + 1 { // the first warms up
			for k := range ways {
				way := (k + rep) % 2
				wait, rate, err := atOnce(n, func() []int32 { return randomIDs(random, m.Info().VocabSize, p.Prompt) }, ways[way], p.Steps)
				if err != nil {
					cancel()
					return errors.Join(err, <-ended)
				}
				if rep > 0 {
					first[way], speed[way] = append(first[way], wait), append(speed[way], rate)
				}
			}
		}
		tell := func(work, what string, v [2][]float64, unit string) {
			ratios := make([]float64, len(v[0]))
			for i, base := range v[0] {
				ratios[i] = v[1][i] / base
			}
			result(Result{work, what, median(v[1]), median(v[0]), median(ratios), unit})
		}
		tell(fmt.Sprintf("%d clients", n), "time to the first text, beside that without HTTP", first, "s")
		tell("", "tokens/s, beside those without HTTP", speed, "tok/s")
	}
	cancel()
	return <-ended
}

func randomIDs(random *rand.Rand, vocab, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(vocab))
	}
	return ids
}

// atOnce has n clients ask at once. It returns their mean wait for the first text in seconds, and the tokens a second of all.
func atOnce(n int, prompt func() []int32, ask func([]int32) (time.Duration, error), steps int) (wait, rate float64, err error) {
	var all sync.WaitGroup
	waits, errs := make([]time.Duration, n), make([]error, n)
	prompts := make([][]int32, n)
	for i := range prompts {
		prompts[i] = prompt()
	}
	start := time.Now()
	for i := range n {
		all.Go(func() { waits[i], errs[i] = ask(prompts[i]) })
	}
	all.Wait()
	took := time.Since(start).Seconds()
	for _, w := range waits {
		wait += w.Seconds() / float64(n)
	}
	return wait, float64(n*steps) / took, errors.Join(errs...)
}

// direct asks the engine, and returns how long the first text took.
func direct(ctx context.Context, m *jamba.Model, ids []int32, steps int) (first time.Duration, err error) {
	o := m.Defaults()
	o.MaxTokens, o.IgnoreEnds, o.WholeText = steps, true, true
	start := time.Now()
	for p, err := range m.Answer(ctx, jamba.Prompt{IDs: ids}, o) {
		if err != nil {
			return first, err
		}
		if p.Text != "" && first == 0 {
			first = time.Since(start)
		}
	}
	return first, nil
}

// throughHTTP asks the server for the same.
func throughHTTP(ctx context.Context, url string, ids []int32, steps int) (first time.Duration, err error) {
	body, err := json.Marshal(map[string]any{"prompt": ids, "max_tokens": steps, "ignore_eos": true, "stream": true})
	if err != nil {
		return first, err
	}
	start := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return first, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return first, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return first, fmt.Errorf("%s: %s", response.Status, text)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if line := lines.Bytes(); first == 0 && bytes.HasPrefix(line, []byte("data: ")) && !bytes.Contains(line, []byte(`"text":""`)) {
			first = time.Since(start)
		}
		if bytes.Equal(lines.Bytes(), []byte("data: [DONE]")) {
			return first, nil
		}
	}
	return first, errors.Join(errors.New("the stream ended too early"), lines.Err())
}
