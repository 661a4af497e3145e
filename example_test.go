package jamba_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"slices"
	"strings"
	"sync"

	"jamba"
)

// The model of this example is a tiny one with random weights: it shows the way, not the wit.
const path = "testdata/goldens/e2e/model"

func Example() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	o := m.Defaults()
	o.MaxTokens = 8
	for piece, err := range m.Generate(context.Background(), "Seven tree green,", o) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
		if piece.Finish != "" {
			fmt.Printf("\n%s after %d tokens\n", piece.Finish, piece.Stats.AnswerTokens)
		}
	}
	// Output:
	// again peroely官写ertain贫 pan
	// length after 8 tokens
}

func ExampleModel_NewSession() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	o := m.Defaults()
	o.MaxTokens = 4
	session, messages := m.NewSession(), []jamba.Message{{Role: "system", Content: "Be brief."}}
	for _, question := range []string{"Hello?", "And then?"} {
		messages = append(messages, jamba.Message{Role: "user", Content: question})
		answer := ""
		for piece, err := range session.Chat(context.Background(), messages, o) {
			if err != nil {
				log.Fatal(err)
			}
			answer += piece.Text
		}
		fmt.Printf("%q\n", answer)
		messages = append(messages, jamba.Message{Role: "assistant", Content: answer})
	}
	// Output:
	// "畏 some�FuncPCABI"
	// " во残Вot"
}

// Several goroutines may use a model: what they ask for is computed together.
func Example_twoAtOnce() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	answers := make([]string, 2)
	var all sync.WaitGroup
	for i, prompt := range []string{"Seven tree green,", "The blue house"} {
		all.Go(func() {
			for piece, err := range m.Generate(context.Background(), prompt, jamba.Options{MaxTokens: 3}) {
				if err != nil {
					log.Print(err)
				}
				answers[i] += piece.Text
			}
		})
	}
	all.Wait()
	fmt.Printf("%q\n", answers)
	// Output: [" again peroely" "辑查ell"]
}

// A chat with a tool: the program runs what the model calls, and tells it the result.
func ExampleModel_Chat_tools() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	o := jamba.Options{MaxTokens: 4, Tools: []json.RawMessage{json.RawMessage(`{"type": "function", "function": {
		"name": "temperature", "description": "The temperature in a place",
		"parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}`)}}
	messages := []jamba.Message{
		{Role: "user", Content: "How warm is it in Paris?"},
		{Role: "assistant", ToolCalls: json.RawMessage(`[{"id": "1", "type": "function", "function": {"name": "temperature", "arguments": {"place": "Paris"}}}]`)},
		{Role: "tool", ToolCallID: "1", Content: "21"},
	}
	for piece, err := range m.Chat(context.Background(), messages, o) {
		if err != nil {
			log.Fatal(err)
		}
		if piece.Finish != "" {
			fmt.Println(piece.Finish, piece.Stats.PromptTokens > 100)
		}
	}
	// Output: length true
}

// A conversation in JSON reaches the chat template as it is written.
func ExampleModel_ChatJSON() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	conversation := `{
		"messages": [{"role": "user", "content": "What does the page say?"}],
		"documents": [{"title": "A page", "text": "Seven green trees."}]
	}`
	for piece, err := range m.ChatJSON(context.Background(), []byte(conversation), jamba.Options{MaxTokens: 4}) {
		if err != nil {
			log.Fatal(err)
		}
		if piece.Finish != "" {
			fmt.Println(piece.Finish, piece.Stats.AnswerTokens)
		}
	}
	// Output: length 4
}

// A mask decides which tokens may come next: here one of two, in turn.
func ExampleOptions_mask() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	again, _ := m.Tokenize(" again")
	pero, _ := m.Tokenize(" pero")
	o := jamba.Options{MaxTokens: 3, Mask: func(answer []int32, logits []float32) {
		allowed := again[len(again)-1]
		if len(answer)%2 == 1 {
			allowed = pero[len(pero)-1]
		}
		for id := range logits {
			if int32(id) != allowed {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}}
	for piece, err := range m.Generate(context.Background(), "Is it?", o) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
	}
	fmt.Println()
	// Output: again pero again
}

// A session is saved with what was computed for it, and goes on from there, be it in another program.
func ExampleSession_Save() {
	say := func(m *jamba.Model, s *jamba.Session, prompt string) {
		for piece, err := range s.Generate(context.Background(), prompt, jamba.Options{MaxTokens: 4}) {
			if err != nil {
				log.Fatal(err)
			}
			if piece.Finish != "" {
				fmt.Printf("prompt %d tokens, %d reused\n", piece.Stats.PromptTokens, piece.Stats.ReusedTokens)
			}
		}
	}
	first, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	session := first.NewSession()
	say(first, session, "Seven tree green,")
	var file bytes.Buffer
	if err := session.Save(context.Background(), &file); err != nil {
		log.Fatal(err)
	}

	second, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	session = second.NewSession()
	text, err := session.Load(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", text)
	say(second, session, text+" and so on")
	// Output:
	// prompt 8 tokens, 0 reused
	// "Seven tree green, again peroely官"
	// prompt 15 tokens, 12 reused
}

// Several answers to one prompt: it is computed once, and they share its memory.
func Example_severalAnswers() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	prompt := strings.Repeat("Seven green trees stood by the blue house. ", 20)
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			o := jamba.Options{MaxTokens: 5, Sampling: jamba.Sampling{Temperature: 1, Seed: new(uint64(i))}}
			for _, err := range m.Generate(context.Background(), prompt, o) {
				if err != nil {
					log.Print(err)
				}
			}
		})
	}
	all.Wait()
	ids, err := m.Tokenize(prompt)
	if err != nil {
		log.Fatal(err)
	}
	c := m.Counters()
	fmt.Println(c.PromptTokens == int64(3*len(ids)), c.PromptTokens-c.ReusedTokens == int64(len(ids)+2)) // the last one is each answer's own
	// Output: true true
}

// choice is a constraint that lets the model choose the first token of an answer and forces what follows from it.
type choice struct{ answers [][]int32 }

func (c choice) Next(answer []int32, logits []float32) (forced []int32, back int, err error) {
	for _, a := range c.answers {
		if len(answer) == 1 && a[0] == answer[0] {
			return a[1:], 0, nil
		}
	}
	for id := range logits {
		if !slices.ContainsFunc(c.answers, func(a []int32) bool { return a[0] == int32(id) }) {
			logits[id] = float32(math.Inf(-1))
		}
	}
	return nil, 0, nil
}

// A constraint that forces tokens: they are computed together, whatever the model would have said.
func ExampleConstraint() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	var c choice
	longest := 0
	for _, text := range []string{"yes, of course it is", "no, not in this weather"} {
		ids, err := m.Text().Tokenizer.Encode(text, false)
		if err != nil {
			log.Fatal(err)
		}
		c.answers = append(c.answers, append(ids, m.Ends()[0])) // it is over then
		longest = max(longest, len(ids)+1)
	}
	for piece, err := range m.Generate(context.Background(), "Is it?", jamba.Options{MaxTokens: longest, Constraint: c}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
		if piece.Finish != "" {
			fmt.Printf(" (%s)\n", piece.Finish)
		}
	}
	// Output: no, not in this weather (stop)
}
