package serve

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"jamba"
)

// clumsy is a model that panics where it is told to.
type clumsy struct {
	*double
	at string
}

func (c *clumsy) ChatPrompt(conversation []byte, literal bool, kept ...int) (jamba.Prompt, error) {
	if c.at == "prompt" {
		panic("clumsy")
	}
	return c.double.ChatPrompt(conversation, literal, kept...)
}

func (c *clumsy) Answer(ctx context.Context, p jamba.Prompt, o jamba.Options) iter.Seq2[jamba.Piece, error] {
	return func(yield func(jamba.Piece, error) bool) {
		if c.at == "answer" {
			panic("clumsy")
		}
		for piece, err := range c.double.Answer(ctx, p, o) {
			if !yield(piece, err) {
				return
			}
			if c.at == "token" {
				panic("clumsy")
			}
		}
	}
}

// TestCrash has a model panic at several places: the request fails in its protocol's way, the log says where, and others go on.
func TestCrash(t *testing.T) {
	for _, stream := range []string{"", `,"stream":true`} {
		for _, at := range []string{"prompt", "answer", "token"} {
			var log lines
			m := &clumsy{say(t, "Hello there.", 4), at}
			url, _ := start(t, m, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			body := `{"messages":[{"role":"user","content":"Hi"}],"n":2` + stream + `}`
			status, answer := post(t, url+"/v1/chat/completions", body)
			if !strings.Contains(answer, "internal error") || strings.Contains(answer, "clumsy") || (status != http.StatusInternalServerError) != (stream != "" && at == "token") {
				t.Errorf("%s%s: %d %s", at, stream, status, answer)
			}
			if said := log.String(); !strings.Contains(said, "clumsy") || !strings.Contains(said, "crash_test.go") {
				t.Errorf("%s%s: the log says %s", at, stream, said)
			}
			m.at = ""
			if status, answer := post(t, url+"/v1/chat/completions", body); status != http.StatusOK || !strings.Contains(answer, "Hell") {
				t.Errorf("after %s%s: %d %s", at, stream, status, answer)
			}
		}
	}
}
