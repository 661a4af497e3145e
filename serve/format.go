package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"jamba"
	"jamba/serve/turn"
	"jamba/text/reply"
)

// setFormat sets what the answers of a job have to be: JSON of a schema, or calls of tools whose arguments are, after a thought if the
// model thinks.
func (j *job) setFormat(ctx context.Context) error {
	r, m := j.request, j.model
	g := reply.Grammar{Format: j.reply.Format, Thinks: j.thinks(), Control: m.controlToken}
	if r.Format != nil {
		if err := m.checkSchema(ctx, r.Format.Param, r.Format.Schema); err != nil {
			return err
		}
		g.Says = "%json " + string(r.Format.Schema)
	}
	if err := j.setCalls(ctx, &g); err != nil {
		return err
	}
	switch {
	case g.Says == "" && len(g.Tools) == 0:
		return nil
	case r.Chat != nil && r.Chat.Continue && r.Format != nil:
		return turn.Invalid(r.Format.Param, "the last message goes on: only whole answers can be held to a schema")
	case r.IgnoreEnds:
		return turn.Invalid("ignore_eos", "an answer that is held to a schema ends where that does")
	case r.MinTokens > 0:
		return turn.Invalid("min_tokens", "an answer that is held to a schema ends where that does")
	case len(g.Tools) == 0 && g.Thinks == reply.NoThought:
		j.options.Format = jamba.JSONSchema(r.Format.Schema)
		return nil
	}
	j.options.Format = jamba.Lark(g.Lark())
	return formatError("tools", m.CheckFormat(ctx, j.options.Format))
}

// formatError tells why there is no format.
func formatError(param string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jamba.ErrBusy), errors.Is(err, jamba.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return failure(err)
	}
	return turn.Invalid(param, "%v", err)
}

// setCalls sets the tools that answers may call, if these are held to anything.
func (j *job) setCalls(ctx context.Context, g *reply.Grammar) error {
	c := j.request.Chat
	if c == nil || g.Format == nil || !c.Choice.Required && len(c.Strict) == 0 && g.Says == "" {
		return nil
	}
	g.OneCall = c.OneCall
	switch {
	case c.Choice.Required:
		g.Says = ""
	case g.Says == "":
		g.Says = reply.AnyText
	}
	for i, raw := range c.Tools {
		var t struct {
			Function struct {
				Name       string          `json:"name"`
				Parameters json.RawMessage `json:"parameters"`
			} `json:"function"`
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return turn.Invalid(fmt.Sprintf("tools[%d]", i), "%v", err)
		}
		f := t.Function
		if c.Choice.Name != "" && f.Name != c.Choice.Name {
			continue
		}
		// Arguments of others are any object if their schema cannot be held to.
		if err := j.model.checkSchema(ctx, fmt.Sprintf("tools[%d].function.parameters", i), f.Parameters); err != nil {
			if ctx.Err() != nil || slices.Contains(c.Strict, f.Name) {
				return err
			}
			f.Parameters = turn.AnyObject
		}
		g.Tools = append(g.Tools, reply.Tool{Name: f.Name, Arguments: f.Parameters})
	}
	return nil
}

// checkSchema says what is wrong with a schema.
func (m *served) checkSchema(ctx context.Context, param string, schema json.RawMessage) error {
	if len(schema) == 0 {
		return nil
	}
	return formatError(param, m.CheckFormat(ctx, jamba.JSONSchema(schema)))
}

// thinks says whether answers begin with thoughts.
func (j *job) thinks() reply.Thinks {
	if j.request.Chat == nil {
		return reply.NoThought
	}
	if j.reply.Opened {
		return reply.HasThought
	}
	if _, ok := j.model.Text().Tokenizer.ID("<think>"); ok && !j.request.Chat.NoThoughts {
		return reply.MayThink
	}
	return reply.NoThought
}

// controlToken returns the id of a control token of that spelling.
func (m *served) controlToken(text string) (int32, bool) {
	t := m.Text().Tokenizer
	id, ok := t.ID(text)
	return id, ok && t.IsSpecial(id)
}
