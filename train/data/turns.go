package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba/jinja"
	"jamba/text/chat"
)

// conversation is a rendered conversation.
type conversation struct {
	text    string
	trained [][2]int // what the assistant says, from and to in bytes, in order
}

// maxMessages bounds a conversation, whose beginnings are rendered one by one.
const maxMessages = 1000

// renderTurns renders a conversation for training. If the template marks with {% generation %} what the model is to
// generate, that is trained. Otherwise a turn of the assistant is what follows the prompt that the template makes of the
// messages before it, up to where the conversation ends with that turn.
//
// A template may show a turn in another way once others follow, such as without its reasoning. The conversation is then
// rendered several times, each time up to such a turn, as the model will see it when it has to say that: every turn is
// trained once. What comes after the assistant's last turn is left out. The first given messages are not trained.
func renderTurns(t *chat.Template, r chat.Request, given int) ([]conversation, error) {
	c, err := readTurns(r, given)
	if err != nil {
		return nil, err
	}
	c.template = t
	var all []conversation
	for todo := c.assistant; len(todo) > 0; {
		last := todo[len(todo)-1]
		text, generated, err := c.render(last+1, false)
		if err != nil {
			return nil, err
		}
		if len(generated) > 0 {
			// The marks stand at the turns that are to be trained; they are the whole story.
			if generated, err = c.after(given, text, generated); err != nil {
				return nil, err
			}
			return []conversation{{text, generated}}, nil
		}
		v := conversation{text: text}
		var later []int
		for _, i := range todo {
			span, err := c.turn(i, i == last, text)
			switch {
			case err == nil:
				v.trained = append(v.trained, span)
			case i == last:
				return nil, fmt.Errorf("messages[%d]: %w", i, err)
			default:
				later = append(later, i)
			}
		}
		all, todo = append(all, v), later
	}
	slices.Reverse(all)
	return all, nil
}

// turns is a conversation whose beginnings can be rendered.
type turns struct {
	template  *chat.Template
	request   chat.Request
	messages  []any
	assistant []int // indices of its messages
}

func readTurns(r chat.Request, given int) (*turns, error) {
	c := &turns{request: r}
	if r.Messages == nil || r.Messages.Len() > maxMessages {
		return nil, fmt.Errorf("messages: want 1 to %d", maxMessages)
	}
	for i := range r.Messages.Len() {
		m := r.Messages.At(i)
		if d, ok := m.(*jinja.Dict); ok {
			if role, _ := d.Get("role"); role == "assistant" && i >= given {
				c.assistant = append(c.assistant, i)
			}
		}
		c.messages = append(c.messages, m)
	}
	if len(c.assistant) == 0 {
		return nil, errors.New("messages: none is of role assistant, so there is nothing to train")
	}
	return c, nil
}

// after returns those of the spans that come after the first given messages.
func (c *turns) after(given int, text string, spans [][2]int) ([][2]int, error) {
	if given == 0 {
		return spans, nil
	}
	prompt, _, err := c.render(given, true)
	if err != nil || !strings.HasPrefix(text, prompt) {
		if prompt, _, err = c.render(given, false); err != nil {
			return nil, err
		}
	}
	if !strings.HasPrefix(text, prompt) {
		return nil, errors.New("the chat template shows the prompt differently once the completion follows")
	}
	return slices.DeleteFunc(spans, func(s [2]int) bool { return s[0] < len(prompt) }), nil
}

// render renders the first n messages, with what begins an answer of the assistant if prompt is set.
func (c *turns) render(n int, prompt bool) (string, [][2]int, error) {
	r := c.request
	r.Messages, r.AddGenerationPrompt = jinja.NewList(c.messages[:n]...), prompt
	return c.template.RenderGenerated(r)
}

// turn finds message i, one of the assistant, in the text.
func (c *turns) turn(i int, last bool, text string) (span [2]int, err error) {
	end := text
	if !last {
		if end, _, err = c.render(i+1, false); err != nil {
			return span, err
		}
		if !strings.HasPrefix(text, end) {
			return span, errors.New("the chat template shows the turn differently once others follow")
		}
	}
	start, err := c.head(i, text)
	if err != nil {
		return span, err
	}
	if start >= len(end) {
		return span, errors.New("the chat template shows nothing of it")
	}
	return [2]int{start, len(end)}, nil
}

// head returns where in the text the model begins to write message i: after the prompt, or, if the text does not go on
// from it, after what stands before every content that the message could have.
func (c *turns) head(i int, text string) (int, error) {
	if i > 0 {
		if prompt, _, err := c.render(i, true); err == nil && strings.HasPrefix(text, prompt) {
			return len(prompt), nil
		}
	}
	with := func(content string) (string, error) {
		d := jinja.NewDict()
		d.Set("role", "assistant")
		d.Set("content", content)
		r := c.request
		r.Messages, r.AddGenerationPrompt = jinja.NewList(append(slices.Clone(c.messages[:i]), d)...), false
		return c.template.Render(r)
	}
	a, err := with("a")
	if err != nil {
		return 0, err
	}
	b, err := with("b")
	if err != nil {
		return 0, err
	}
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	if !strings.HasPrefix(text, a[:n]) {
		return 0, errors.New("it cannot be found in what the chat template makes of the conversation")
	}
	return n, nil
}

// contents returns what the messages say.
func contents(r *chat.Request) []string {
	var texts []string
	for i := range r.Messages.Len() {
		m, ok := r.Messages.At(i).(*jinja.Dict)
		if !ok {
			continue
		}
		content, _ := m.Get("content")
		switch content := content.(type) {
		case string:
			texts = append(texts, content)
		case *jinja.List:
			for j := range content.Len() {
				if part, ok := content.At(j).(*jinja.Dict); ok {
					if text, _ := part.Get("text"); text != nil {
						if s, ok := text.(string); ok {
							texts = append(texts, s)
						}
					}
				}
			}
		}
	}
	return texts
}
