package embedded_test

import (
	"context"
	"fmt"
	"log"

	"jamba"
	"jamba/embedded"
)

func Example() {
	m, err := jamba.Open(embedded.Model)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for piece, err := range m.Generate(context.Background(), "Once upon a time", jamba.Options{MaxTokens: 5}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
	}
	// Output: , there was a little
}
