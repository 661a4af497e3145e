package data

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"jamba/text/chat"
)

// Ignore is the label of a token that is not trained, and the target where there is nothing to learn.
const Ignore = -100

// Document is one piece of training material as its file has it: ids if it has any, else a conversation, else a text.
type Document struct {
	Place  string // where it stands, such as "file:line"
	Text   string
	Chat   *chat.Request // without add_generation_prompt
	Given  int           // what of its beginning is not trained: bytes of Text, or messages of Chat
	IDs    []int32
	Labels []int32 // of IDs, each the id itself or Ignore; nil: all are trained

	bytes int // that it takes in its file, or about so
}

func (d *Document) empty() bool { return d.Text == "" && d.Chat == nil && len(d.IDs) == 0 }

// corrupt is an error in one document, after which its file can be read on.
type corrupt struct {
	place string
	err   error
}

func (c *corrupt) Error() string { return c.place + ": " + c.err.Error() }
func (c *corrupt) Unwrap() error { return c.err }

// maxTokens bounds the ids of one document.
const maxTokens = 1 << 28

// valid returns s if it is valid UTF-8, and else an error or s with U+FFFD in the place of what is not.
func valid(s string, replace bool) (string, error) {
	if utf8.ValidString(s) {
		return s, nil
	}
	if replace {
		return strings.ToValidUTF8(s, "\uFFFD"), nil
	}
	at := 0
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return "", fmt.Errorf("byte %d, %#02x, is not valid UTF-8", at, s[at])
}
