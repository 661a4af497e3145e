package main

import (
	"fmt"
	"strconv"
	"strings"
)

const chatHelp = `/help           this text
/clear          forget the conversation
/system TEXT    set the system message, or without TEXT have none, and forget the conversation
/tool RESULT    give back what a call of a tool came to; once for each call
/set            show the settings; /set NAME VALUE changes one, /set NAME default takes that back
/stats          figures of the last answer, and how much of the context is used
/quit           end the chat (so do /exit and Ctrl-D)
A line that ends in \ goes on in the next, and a pasted text is one message. Ctrl-C stops an answer, Ctrl-Z suspends.`

// command splits a prompt that begins with / and a word. Paths and the like are none, nor are prompts of several lines, but
// for a system message and what a tool says.
func command(prompt string) (name, rest string, ok bool) {
	prompt = strings.TrimSpace(prompt)
	name, rest = prompt, ""
	if i := strings.IndexAny(prompt, " \t\n"); i >= 0 {
		name, rest = prompt[:i], strings.TrimSpace(prompt[i:])
	}
	word, slash := strings.CutPrefix(name, "/")
	if strings.Contains(prompt, "\n") && name != "/system" && name != "/tool" {
		return "", "", false
	}
	return name, rest, slash && strings.TrimLeft(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-?") == ""
}

// command does what a line of the chat asks for, and reports whether the chat ends.
func (t *conversation) command(name, rest string) (quit bool) {
	say := func(format string, a ...any) { t.say(fmt.Sprintf(format+"\n", a...)) }
	switch name {
	case "/quit", "/exit", "/bye":
		return true
	case "/help", "/?":
		say("%s", chatHelp)
	case "/clear":
		t.clear()
		say("The conversation is forgotten.")
	case "/system":
		switch t.System = nil; {
		case t.continues(t.m):
			say("There is no system message in plain completion.")
		case rest == "":
			say("No system message. The conversation begins again.")
		default:
			t.System = &rest
			say("The system message is set. The conversation begins again.")
		}
		t.clear()
	case "/tool":
		t.tool(rest)
	case "/set":
		if err := t.set(rest); err != nil {
			say("jamba: %v", err)
		}
	case "/stats":
		t.stats()
	default:
		say("There is no command %s; /help lists them.", name)
	}
	return false
}

// tool gives back what the next call came to. With the last, the model goes on.
func (t *conversation) tool(result string) {
	calls := waiting(t.messages)
	switch {
	case len(calls) == 0:
		t.say("No call waits for its result.\n")
	case result == "":
		t.say("What did " + calls[0].Function.Name + " come to? /tool RESULT\n")
	case len(calls) > 1:
		t.messages = append(t.messages, calls[0].result(result))
		t.say("/tool RESULT gives back what " + calls[1].Function.Name + " came to.\n")
	default:
		t.turn(calls[0].result(result))
	}
}

func (t *conversation) clear() { t.messages, t.last = t.history(), nil }

func (t *conversation) stats() {
	if t.last == nil {
		fmt.Fprintln(t.s.err, "There is no answer yet.")
		return
	}
	printStats(t.s.err, t.last)
	fmt.Fprintf(t.s.err, "context: %d tokens", t.last.PromptTokens+t.last.AnswerTokens)
	if n := t.m.Info().Context; n > 0 {
		fmt.Fprintf(t.s.err, " of %d", n)
	}
	fmt.Fprintf(t.s.err, ", %d messages\n", len(t.messages))
}

// setting is a flag that can be changed in a chat.
type setting struct {
	name  string
	flag  any // **int, **float64 or **uint64
	value any // what counts now
}

func (t *conversation) settings() []setting {
	o := t.asked(t.m)
	return []setting{
		{"max-tokens", &t.MaxTokens, o.MaxTokens},
		{"temperature", &t.Temperature, o.Temperature},
		{"top-k", &t.TopK, o.TopK},
		{"top-p", &t.TopP, o.TopP},
		{"min-p", &t.MinP, o.MinP},
		{"repetition-penalty", &t.RepetitionPenalty, o.RepetitionPenalty},
		{"presence-penalty", &t.PresencePenalty, o.PresencePenalty},
		{"frequency-penalty", &t.FrequencyPenalty, o.FrequencyPenalty},
		{"seed", &t.Seed, *o.Seed},
	}
}

// set shows or changes settings; they go by the names of their flags.
func (t *conversation) set(rest string) error {
	name, text, _ := strings.Cut(rest, " ")
	name, text = strings.TrimPrefix(name, "--"), strings.TrimSpace(text)
	var names []string
	for _, s := range t.settings() {
		names = append(names, s.name)
		if name == s.name && text != "" {
			return t.change(s, text)
		}
		if name == s.name || name == "" {
			fmt.Fprintf(t.s.err, "%-20s%v\n", s.name, s.shown())
			if name != "" {
				return nil
			}
		}
	}
	if name != "" {
		return fmt.Errorf("there is no setting %q; %s are", name, strings.Join(names, ", "))
	}
	return nil
}

// shown returns the value as the user would write it.
func (s *setting) shown() string {
	if flag, ok := s.flag.(**uint64); ok && *flag == nil {
		return "random"
	}
	zero := map[string]string{"top-p": "1", "repetition-penalty": "1"}[s.name] // what 0 stands for
	if text := fmt.Sprint(s.value); text != "0" || zero == "" {
		return text
	}
	return zero
}

// change sets a flag, or takes that back if it is out of range.
func (t *conversation) change(s setting, text string) (err error) {
	switch flag := s.flag.(type) {
	case **int:
		return changeTo(t, flag, text, strconv.Atoi)
	case **float64:
		return changeTo(t, flag, text, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	default:
		return changeTo(t, flag.(**uint64), text, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	}
}

func changeTo[T any](t *conversation, flag **T, text string, parse func(string) (T, error)) error {
	before := *flag
	if text == "default" {
		*flag = nil
		return nil
	}
	v, err := parse(text)
	if err != nil {
		return fmt.Errorf("%q is not a number of this kind", text)
	}
	*flag = &v
	if err = t.check(); err != nil {
		*flag = before
	}
	return err
}
