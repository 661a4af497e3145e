package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// An AddedToken is a token found in the text before anything else happens to it.
type AddedToken struct {
	ID         int32
	Content    string
	Special    bool // Decode can skip it
	Normalized bool // it is looked for in the normalized text
	SingleWord bool // it is not found within a word
	LStrip     bool // it swallows the white space before it
	RStrip     bool // and after it
}

// A Config is what stands beside a tokenizer file, in tokenizer_config.json and special_tokens_map.json.
type Config struct {
	Special map[string]string // contents by name: bos_token, eos_token, unk_token, pad_token, …
	Added   []AddedToken
	Extra   []string // contents of further special tokens

	// AddBOS and AddEOS ask for the tokens around a text. A tokenizer.json decides this itself, by its
	// post-processor; for tokenizer.model nil is BOS alone.
	AddBOS, AddEOS *bool
	// AddPrefixSpace, for tokenizer.model, overrides the file's add_dummy_prefix.
	AddPrefixSpace *bool
	// Legacy set to false, for tokenizer.model, puts the prefix space only at the beginning of the text,
	// not after every added token.
	Legacy *bool
}

type addedTokenJSON struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized *bool  `json:"normalized"`
	Special    bool   `json:"special"`
}

func (a addedTokenJSON) token() (AddedToken, error) {
	if a.ID < 0 || a.ID > maxID {
		return AddedToken{}, fmt.Errorf("%q: id %d is out of range", a.Content, a.ID)
	}
	t := AddedToken{
		ID: int32(a.ID), Content: a.Content, Special: a.Special, Normalized: !a.Special,
		SingleWord: a.SingleWord, LStrip: a.LStrip, RStrip: a.RStrip,
	}
	if a.Normalized != nil {
		t.Normalized = *a.Normalized
	}
	return t, nil
}

// specialTokenNames are the names of single special tokens in the two files.
var specialTokenNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// ParseConfig reads tokenizer_config.json. Fields that say nothing about the mapping of text to ids, such
// as chat_template, are left to others.
func ParseConfig(data []byte) (Config, error) {
	const file = "tokenizer_config.json"
	var c Config
	if err := c.addSpecial(data); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	var j struct {
		AddedTokens    map[string]addedTokenJSON `json:"added_tokens_decoder"`
		AddBOS         *bool                     `json:"add_bos_token"`
		AddEOS         *bool                     `json:"add_eos_token"`
		AddPrefixSpace *bool                     `json:"add_prefix_space"`
		Legacy         *bool                     `json:"legacy"`
	}
	if err := json.Unmarshal(data, &j); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	c.AddBOS, c.AddEOS, c.AddPrefixSpace, c.Legacy = j.AddBOS, j.AddEOS, j.AddPrefixSpace, j.Legacy
	for key, a := range j.AddedTokens {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return c, fmt.Errorf("%s: added_tokens_decoder: %q is not an id", file, key)
		}
		a.ID = id
		t, err := a.token()
		if err != nil {
			return c, fmt.Errorf("%s: added_tokens_decoder: %w", file, err)
		}
		c.Added = append(c.Added, t)
	}
	slices.SortFunc(c.Added, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	return c, nil
}

// ParseSpecialTokensMap adds the contents of special_tokens_map.json that c does not have yet.
func (c *Config) ParseSpecialTokensMap(data []byte) error {
	if err := c.addSpecial(data); err != nil {
		return fmt.Errorf("special_tokens_map.json: %w", err)
	}
	return nil
}

// addExtra takes special tokens from a list of strings and objects with a content, or from an object of them.
func (c *Config) addExtra(raw json.RawMessage) (isList bool) {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	isList = json.Unmarshal(raw, &list) == nil
	if !isList && json.Unmarshal(raw, &object) == nil {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			list = append(list, object[name])
		}
	}
	for _, raw := range list {
		var content string
		var o struct{ Content string }
		if json.Unmarshal(raw, &content) != nil && json.Unmarshal(raw, &o) == nil {
			content = o.Content
		}
		if content != "" {
			c.Extra = append(c.Extra, content)
		}
	}
	return isList
}

// addSpecial reads the named special tokens of a JSON object: strings or objects with a content.
func (c *Config) addSpecial(data []byte) error {
	var j map[string]json.RawMessage
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if !c.addExtra(j["extra_special_tokens"]) { // a list is the newer name of the other
		c.addExtra(j["additional_special_tokens"])
	}
	for _, name := range specialTokenNames {
		raw, ok := j[name]
		if !ok || string(raw) == "null" || c.Special[name] != "" {
			continue
		}
		var content string
		if strings.HasPrefix(string(raw), "{") {
			var o struct {
				Content string `json:"content"`
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			content = o.Content
		} else if err := json.Unmarshal(raw, &content); err != nil {
			return fmt.Errorf("%s: want a string or an object with \"content\": %w", name, err)
		}
		if c.Special == nil {
			c.Special = map[string]string{}
		}
		if content != "" {
			c.Special[name] = content
		}
	}
	return nil
}
