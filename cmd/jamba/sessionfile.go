package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"jamba"
	"jamba/internal/bounded"
	"jamba/internal/durable"
	"jamba/internal/printable"
)

// chatMagic begins a session file: the length of a JSON array of messages as 32 bits, little-endian, the array, and a session as
// jamba.Session saves it.
const chatMagic = "jamba chat 1\n"

// maxMessages bounds the bytes of the messages in a session file.
const maxMessages = 64 << 20

// resume reads the session file, if there is one: the session goes on where it ended. messages are those of the chat so far; text is
// what there is of a continuation.
func (c *runCmd) resume(s *streams, session *jamba.Session, m *jamba.Model) (messages []jamba.Message, text string, err error) {
	if c.Session == "" {
		return c.history(), "", nil
	}
	fail := func(err error) ([]jamba.Message, string, error) {
		return nil, "", fmt.Errorf("%s: %w", c.Session, err)
	}
	f, err := bounded.Open(c.Session)
	if errors.Is(err, os.ErrNotExist) {
		return c.history(), "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	head := make([]byte, len(chatMagic)+4)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:len(chatMagic)]) != chatMagic {
		return fail(errors.New("not a session file of this version of jamba; give --session another name"))
	}
	n := binary.LittleEndian.Uint32(head[len(chatMagic):])
	if n > maxMessages {
		return fail(errors.New("damaged: its messages are too long"))
	}
	raw, err := io.ReadAll(io.LimitReader(f, int64(n)))
	if err != nil {
		return fail(err)
	}
	if err := json.Unmarshal(raw, &messages); err != nil {
		return fail(fmt.Errorf("damaged: %w", err))
	}
	text, err = session.Load(f)
	switch {
	case c.continues(m) && err != nil:
		return fail(err)
	case c.continues(m):
		return nil, text, nil
	case err != nil:
		// The messages are enough to go on; what was computed has to be computed again.
		fmt.Fprintln(s.err, "jamba: warning:", printable.Line(fmt.Sprintf("%s: %v; the conversation is computed anew", c.Session, err)))
	}
	if c.System != nil {
		system := c.history()[0]
		if len(messages) > 0 && messages[0].Role == "system" {
			messages[0] = system
		} else {
			messages = slices.Insert(messages, 0, system)
		}
	}
	return messages, "", nil
}

// save writes the session file.
func (c *runCmd) save(session *jamba.Session, messages []jamba.Message) error {
	if c.Session == "" {
		return nil
	}
	raw, err := json.Marshal(messages)
	if err != nil {
		return err
	}
	return durable.WriteFile(c.Session, func(f *os.File) error {
		head := binary.LittleEndian.AppendUint32([]byte(chatMagic), uint32(len(raw)))
		if _, err := f.Write(append(head, raw...)); err != nil {
			return err
		}
		err := session.Save(context.Background(), f)
		if errors.Is(err, jamba.ErrEmptySession) {
			return nil
		}
		return err
	})
}
