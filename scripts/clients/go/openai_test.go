// Package openai_test asks a server at JAMBA_URL through OpenAI's library for Go. scripts/clients/run starts one.
package openai_test

import (
	"errors"
	"os"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func dial(t *testing.T) (c openai.Client, model string) {
	t.Helper()
	url := os.Getenv("JAMBA_URL")
	if url == "" {
		t.Skip("JAMBA_URL names no server; scripts/clients/run starts one")
	}
	c = openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("none"), option.WithMaxRetries(0))
	page, err := c.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, page.Data[0].ID
}

func chat(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.DeveloperMessage("Be brief."), openai.UserMessage("Once upon a time")},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name:       "weather",
			Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]string{"type": "string"}}},
		})},
		MaxCompletionTokens: openai.Int(12), Temperature: openai.Float(0),
	}
}

func TestChat(t *testing.T) {
	c, model := dial(t)
	whole, err := c.Chat.Completions.New(t.Context(), chat(model))
	if err != nil {
		t.Fatal(err)
	}
	if m := whole.Choices[0]; m.Message.Content == "" || m.FinishReason != "length" || whole.Usage.CompletionTokens != 12 {
		t.Errorf("%s", whole.RawJSON())
	}
	params := chat(model)
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(t.Context(), params)
	var sum openai.ChatCompletionAccumulator
	for stream.Next() {
		if !sum.AddChunk(stream.Current()) {
			t.Fatalf("a chunk that does not belong to the others: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if sum.Choices[0].Message.Content != whole.Choices[0].Message.Content || sum.Usage.CompletionTokens != 12 || sum.Choices[0].FinishReason != "length" {
		t.Errorf("streamed %q, whole %q, usage %+v", sum.Choices[0].Message.Content, whole.Choices[0].Message.Content, sum.Usage)
	}
}

func TestResponses(t *testing.T) {
	c, model := dial(t)
	params := responses.ResponseNewParams{
		Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Once upon a time")},
		MaxOutputTokens: openai.Int(12), Temperature: openai.Float(0),
	}
	whole, err := c.Responses.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if whole.OutputText() == "" || whole.Status != "incomplete" {
		t.Errorf("%s", whole.RawJSON())
	}
	stream := c.Responses.NewStreaming(t.Context(), params)
	text, last := "", ""
	for n := int64(0); stream.Next(); n++ {
		e := stream.Current()
		if e.SequenceNumber != n {
			t.Errorf("event %d has number %d", n, e.SequenceNumber)
		}
		if last = e.Type; last == "response.output_text.delta" {
			text += e.Delta
		}
	}
	if stream.Err() != nil || text != whole.OutputText() || last != "response.incomplete" {
		t.Errorf("%v: streamed %q up to %s, whole %q", stream.Err(), text, last, whole.OutputText())
	}
}

func TestCompletionsAndEmbeddings(t *testing.T) {
	c, model := dial(t)
	done, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(model), Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"Once", "Two"}},
		MaxTokens: openai.Int(3), Logprobs: openai.Int(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Choices) != 2 || len(done.Choices[1].Logprobs.TokenLogprobs) != 3 {
		t.Errorf("%s", done.RawJSON())
	}
	vectors, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors.Data) != 2 || len(vectors.Data[1].Embedding) < 8 {
		t.Errorf("%d vectors", len(vectors.Data))
	}
}

func TestError(t *testing.T) {
	c, model := dial(t)
	params := chat(model)
	params.Temperature = openai.Float(9)
	_, err := c.Chat.Completions.New(t.Context(), params)
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "temperature" {
		t.Errorf("%v", err)
	}
}
