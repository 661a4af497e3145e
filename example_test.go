package jamba_test

import (
	"context"
	"fmt"
	"log"

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
