package jamba_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
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
