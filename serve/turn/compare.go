package turn

import (
	"crypto/sha256"
	"encoding/binary"
)

// Comparison is with an earlier request, for a client that asks why what was computed for that one was not used.
type Comparison struct {
	ID string // of the earlier answer; "": there is none to compare with

	// What comes of it.
	Found  bool
	Change Change
	Missed int // an estimate of the tokens of the earlier prompt behind the change
}

// Change is the first part of a prompt that is not as in another.
type Change string

// The changes. The model and its adapter, and what is told to the template, change all of a prompt.
const (
	None        Change = ""
	NewModel    Change = "model"
	NewTools    Change = "tools"
	NewSettings Change = "settings"
	NewSystem   Change = "system"
	NewMessages Change = "messages"
)

// Print is what is kept of a request to compare others with: hashes, and nothing that was said.
type Print struct {
	Tokens int // of the prompt

	model           string
	tools, settings part
	messages        []part
}

type part struct {
	hash   [sha256.Size]byte
	bytes  int
	system bool
}

// Parts returns how many parts the request had.
func (p *Print) Parts() int { return len(p.messages) + 2 }

// PrintOf returns what is kept of a chat with a model whose prompt has so many tokens.
func PrintOf(model string, c *Chat, tokens int) *Print {
	p := &Print{Tokens: tokens, model: model, tools: partOf(rawBytes(c.Tools)...)}
	var settings [][]byte
	for _, v := range c.Vars {
		settings = append(settings, []byte(v.Name), v.Value)
	}
	settings = append(settings, rawBytes(c.Documents)...)
	if c.NoThoughts {
		settings = append(settings, []byte("no thoughts"))
	}
	p.settings = partOf(settings...)
	for _, m := range c.Messages {
		own := partOf(m.JSON())
		own.system = m.Role == "system"
		p.messages = append(p.messages, own)
	}
	return p
}

func partOf(data ...[]byte) (p part) {
	h := sha256.New()
	for _, b := range data {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b)))) // so that parts do not run into one another
		h.Write(b)
		p.bytes += len(b)
	}
	h.Sum(p.hash[:0])
	return p
}

// Compare sets what has changed since an earlier request. That it goes on is no change.
func (c *Comparison) Compare(now, before *Print) {
	c.Found, c.Change, c.Missed = true, None, before.Tokens
	switch {
	case now.model != before.model:
		c.Change = NewModel
	case now.tools.hash != before.tools.hash:
		c.Change = NewTools
	case now.settings.hash != before.settings.hash:
		c.Change = NewSettings
	}
	if c.Change != None {
		return
	}
	same, all := before.tools.bytes+before.settings.bytes, before.tools.bytes+before.settings.bytes
	for i, m := range before.messages {
		if c.Change == None {
			switch {
			case i < len(now.messages) && now.messages[i] == m:
				same += m.bytes
			case m.system && i == 0:
				c.Change = NewSystem
			default:
				c.Change = NewMessages
			}
		}
		all += m.bytes
	}
	c.Missed = before.Tokens * (all - same) / max(all, 1)
}
