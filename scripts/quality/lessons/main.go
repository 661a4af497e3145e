// Command lessons writes texts from which a small model learns what jamba eval needle asks for: short haystacks with some numbers,
// the question for one of them and its answer, one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"

	"jamba/internal/measure/eval"
)

func main() {
	n := flag.Int("n", 30000, "lessons")
	sentences := flag.Int("sentences", 24, "sentences that say nothing, at most")
	numbers := flag.Int("numbers", 4, "numbers that are hidden, at most")
	seed := flag.Uint64("seed", 1, "of what is hidden; jamba eval needle hides other things")
	flag.Parse()
	if err := write(*n, *sentences, *numbers, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "lessons:", err)
		os.Exit(1)
	}
}

func write(n, sentences, numbers int, seed uint64) error {
	if n < 1 || sentences < 0 || numbers < 1 || numbers > eval.MaxKeys {
		return fmt.Errorf("want a lesson or more, no negative number of sentences, and 1 to %d numbers", eval.MaxKeys)
	}
	random := rand.New(rand.NewPCG(seed, 1<<63)) // haystacks of an evaluation have lengths there
	w := bufio.NewWriter(os.Stdout)
	e := json.NewEncoder(w)
	for range n {
		length := math.Pow(float64(sentences+1), random.Float64()) - 1 // log-uniform: what is short is learned first
		prompt, answer := eval.Lesson(random, int(length), 1+random.IntN(numbers))
		if random.IntN(2) == 0 {
			prompt, answer = eval.Drill(random, 1+random.IntN(numbers))
		}
		if err := e.Encode(map[string]string{"prompt": prompt, "completion": answer}); err != nil {
			return err
		}
	}
	return w.Flush()
}
