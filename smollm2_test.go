package jamba_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"jamba"
)

// TestSmolLM2 asks the question of the README, if scripts/fetch-smollm2 has brought the model.
func TestSmolLM2(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const path = "models/SmolLM2-135M-Instruct.Q4_1.gguf"
	if _, err := os.Stat(path); err != nil {
		t.Skip("run scripts/fetch-smollm2 for this test")
	}
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	o := m.Defaults()
	o.MaxTokens = 32
	answer := ""
	for p, err := range m.Chat(context.Background(), []jamba.Message{{Role: "user", Content: "What is the capital of France?"}}, o) {
		if err != nil {
			t.Fatal(err)
		}
		answer += p.Text
	}
	if !strings.Contains(answer, "Paris") {
		t.Errorf("the capital of France: %q", answer)
	}
}
