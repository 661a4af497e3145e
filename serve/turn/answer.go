package turn

// Answer is what the events of a request come to.
type Answer struct {
	Choices []Reply
	Usage   Usage
}

// Reply is one choice.
type Reply struct {
	Thought, Text string
	Calls         []Call
	Tokens        []Token // those of the answer
	Prompt        []Token // those of the prompt, if they were scored
	Finish        Finish
	Stop          string
}

// Add adds an event.
func (a *Answer) Add(e Event) {
	if e.Kind == Done {
		a.Usage = e.Usage
	}
	if e.Kind == Waiting || e.Kind == Done || e.Kind == Failed {
		return
	}
	for len(a.Choices) <= e.Choice {
		a.Choices = append(a.Choices, Reply{})
	}
	r := &a.Choices[e.Choice]
	switch e.Kind {
	case Scored:
		r.Prompt = e.Tokens
		return
	case Thought:
		r.Thought += e.Text
	case Text:
		r.Text += e.Text
	case Called:
		r.Calls = append(r.Calls, e.Call)
	case Arguments:
		c := &r.Calls[len(r.Calls)-1]
		c.Arguments += e.Text
		c.Complete = e.Complete
	case Finished:
		r.Finish, r.Stop = e.Finish, e.Stop
	}
	r.Tokens = append(r.Tokens, e.Tokens...)
}
