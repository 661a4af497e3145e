package data

import (
	"errors"
	"fmt"
	"hash/maphash"
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

// maxMessages bounds a conversation.
const maxMessages = 20_000

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
		spans, later, err := c.find(todo, text)
		if err != nil {
			return nil, err
		}
		all, todo = append(all, conversation{text, spans}), later
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
	work      *work
	known     map[beginning]shown
}

// beginning is the first messages of a conversation, perhaps with what begins an answer.
type beginning struct {
	messages int
	prompt   bool
}

// shown is what the template makes of a beginning, by its length and a hash: several texts are held against it.
type shown struct {
	length int
	sum    uint64
	err    error
}

var seed = maphash.MakeSeed()

// begins returns how much of the text the template makes of the first n messages; ok is false if the text begins otherwise.
func (c *turns) begins(text string, n int, prompt bool) (length int, ok bool, err error) {
	b := beginning{n, prompt}
	s, known := c.known[b]
	if !known {
		rendered, _, err := c.render(n, prompt)
		s = shown{len(rendered), maphash.String(seed, rendered), err}
		if c.known == nil {
			c.known = map[beginning]shown{}
		}
		c.known[b] = s
	}
	return s.length, s.err == nil && s.length <= len(text) && maphash.String(seed, text[:s.length]) == s.sum, s.err
}

func readTurns(r chat.Request, given int) (*turns, error) {
	c := &turns{request: r, work: new(work)}
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
	text, generated, err := c.template.RenderGenerated(r)
	if err == nil {
		err = c.work.add(n, len(text))
	}
	return text, generated, err
}

// turn finds message i, one of the assistant, in the text.
func (c *turns) turn(i int, last bool, text string) (span [2]int, err error) {
	end := len(text)
	if !last {
		n, ok, err := c.begins(text, i+1, false)
		switch {
		case err != nil:
			return span, err
		case !ok:
			return span, errors.New("the chat template shows the turn differently once others follow")
		}
		end = n
	}
	start, err := c.head(i, text)
	if err != nil {
		return span, err
	}
	if start >= end {
		return span, errors.New("the chat template shows nothing of it")
	}
	return [2]int{start, end}, nil
}

// head returns where in the text the model begins to write message i: after the prompt, or, if the text does not go on
// from it, after what stands before every content that the message could have.
func (c *turns) head(i int, text string) (int, error) {
	if i > 0 {
		if n, ok, _ := c.begins(text, i, true); ok {
			return n, nil
		}
	}
	with := func(content string) (string, error) {
		d := jinja.NewDict()
		d.Set("role", "assistant")
		d.Set("content", content)
		r := c.request
		r.Messages, r.AddGenerationPrompt = jinja.NewList(append(slices.Clone(c.messages[:i]), d)...), false
		text, err := c.template.Render(r)
		if err == nil {
			err = c.work.add(i, len(text))
		}
		return text, err
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
