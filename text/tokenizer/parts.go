package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// parts reads the components of a tokenizer.json into t.
type parts struct {
	t           *Tokenizer
	hasTemplate bool
	count       int
}

// Bounds on nested and repeated components.
const (
	maxDepth   = 8
	maxParts   = 128
	maxLiteral = 1024 // bytes of a string pattern
)

// begin returns the type of the component at path; it is empty when there is none.
func (p *parts) begin(raw json.RawMessage, path string, depth int) (string, error) {
	if absent(raw) {
		return "", nil
	}
	if p.count++; depth > maxDepth || p.count > maxParts {
		return "", fmt.Errorf("%s: more than %d components or %d levels of them", path, maxParts, maxDepth)
	}
	var j struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if j.Type == "" {
		return "", fmt.Errorf("%s: has no type", path)
	}
	return j.Type, nil
}

// each reads the components of a sequence in the array called field.
func each(raw json.RawMessage, path, field string, read func(raw json.RawMessage, path string) error) error {
	var j map[string]json.RawMessage
	if err := json.Unmarshal(raw, &j); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	path += "." + field
	var list []json.RawMessage
	if err := json.Unmarshal(j[field], &list); err != nil {
		return fmt.Errorf("%s: want an array: %w", path, err)
	}
	for i, raw := range list {
		path := fmt.Sprintf("%s[%d]", path, i)
		if absent(raw) {
			return fmt.Errorf("%s: missing", path)
		}
		if err := read(raw, path); err != nil {
			return err
		}
	}
	return nil
}

// patternJSON is a string or a regular expression.
type patternJSON struct {
	String *string
	Regex  *string
}

func (j patternJSON) pattern(path string) (pattern, error) {
	path += ".pattern"
	switch {
	case j.String != nil && j.Regex == nil:
		if n := len(*j.String); n == 0 || n > maxLiteral {
			return nil, fmt.Errorf("%s.String: %d bytes, want 1 to %d", path, n, maxLiteral)
		}
		return literal(*j.String), nil
	case j.Regex != nil && j.String == nil:
		return newPattern(path+".Regex", *j.Regex)
	}
	return nil, fmt.Errorf("%s: want either String or Regex", path)
}

type replaceJSON struct {
	Type    string      `json:"type"`
	Pattern patternJSON `json:"pattern"`
	Content string      `json:"content"`
}

func (p *parts) normalizer(raw json.RawMessage, path string, depth int) error {
	kind, err := p.begin(raw, path, depth)
	if kind == "" {
		return err
	}
	add := func(n normalizer) { p.t.normalizers = append(p.t.normalizers, n) }
	if n, ok := plainNormalizers[kind]; ok {
		add(n)
		return strict(raw, path, &struct{ Type string }{})
	}
	switch kind {
	case "Sequence":
		return each(raw, path, "normalizers", func(raw json.RawMessage, path string) error {
			return p.normalizer(raw, path, depth+1)
		})
	case "Replace":
		var j replaceJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		pt, err := j.Pattern.pattern(path)
		if err != nil {
			return err
		}
		add(replaceNormalizer{pt, j.Content})
	case "Prepend":
		var j struct{ Type, Prepend string }
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		add(prependNormalizer(j.Prepend))
	case "Strip":
		var j struct {
			Type  string
			Left  bool `json:"strip_left"`
			Right bool `json:"strip_right"`
		}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		add(stripNormalizer{j.Left, j.Right})
	case "Precompiled":
		var j struct {
			Type string
			Map  []byte `json:"precompiled_charsmap"`
		}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		c, err := newCharsmap(j.Map)
		if err != nil {
			return fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
		}
		add(precompiledNormalizer{c})
	default:
		return unsupported(path, kind, "Sequence, Replace, Prepend, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, ByteLevel, Precompiled")
	}
	return nil
}

// byteLevelJSON serves as pre-tokenizer, post-processor and decoder; only the first uses the fields.
type byteLevelJSON struct {
	Type           string
	AddPrefixSpace *bool `json:"add_prefix_space"`
	TrimOffsets    *bool `json:"trim_offsets"`
	UseRegex       *bool `json:"use_regex"`
}

func isTrue(b *bool) bool { return b == nil || *b }

// metaspaceJSON serves as pre-tokenizer and decoder.
type metaspaceJSON struct {
	Type           string
	Replacement    string
	AddPrefixSpace *bool   `json:"add_prefix_space"` // before prepend_scheme
	PrependScheme  *string `json:"prepend_scheme"`
	StrRep         string  `json:"str_rep"` // in old files, equal to replacement
	Split          *bool
}

func (j metaspaceJSON) scheme(path string) (prependScheme, error) {
	if utf8.RuneCountInString(j.Replacement) != 1 {
		return "", fmt.Errorf("%s.replacement: %q, want one character", path, j.Replacement)
	}
	scheme := prependAlways
	if j.PrependScheme != nil {
		scheme = prependScheme(*j.PrependScheme)
	} else if !isTrue(j.AddPrefixSpace) {
		scheme = prependNever
	}
	if !slices.Contains([]prependScheme{prependAlways, prependFirst, prependNever}, scheme) {
		return "", fmt.Errorf("%s.prepend_scheme: %q, want always, first or never", path, scheme)
	}
	if !isTrue(j.AddPrefixSpace) && scheme != prependNever {
		return "", fmt.Errorf("%s: add_prefix_space false contradicts prepend_scheme %q", path, scheme)
	}
	return scheme, nil
}

func (p *parts) preTokenizer(raw json.RawMessage, path string, depth int) error {
	kind, err := p.begin(raw, path, depth)
	if kind == "" {
		return err
	}
	add := func(pt preTokenizer) { p.t.preTokenizers = append(p.t.preTokenizers, pt) }
	switch kind {
	case "Sequence":
		return each(raw, path, "pretokenizers", func(raw json.RawMessage, path string) error {
			return p.preTokenizer(raw, path, depth+1)
		})
	case "ByteLevel":
		var j byteLevelJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		add(byteLevelSplitter{addPrefixSpace: isTrue(j.AddPrefixSpace), useRegex: isTrue(j.UseRegex)})
	case "Split":
		var j struct {
			Type     string
			Pattern  patternJSON
			Behavior behavior
			Invert   bool
		}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		if !slices.Contains(behaviors, j.Behavior) {
			return fmt.Errorf("%s.behavior: %q, want one of %q", path, j.Behavior, behaviors)
		}
		pt, err := j.Pattern.pattern(path)
		if err != nil {
			return err
		}
		add(splitter{pt, j.Behavior, j.Invert})
	case "Metaspace":
		var j metaspaceJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		scheme, err := j.scheme(path)
		if err != nil {
			return err
		}
		add(metaspaceSplitter{j.Replacement, scheme, isTrue(j.Split)})
	case "Digits":
		var j struct {
			Type       string
			Individual bool `json:"individual_digits"`
		}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		sp := splitter{pattern: charIs(unicode.IsNumber), behavior: contiguous}
		if j.Individual {
			sp.behavior = isolated
		}
		add(sp)
	case "Punctuation":
		j := struct {
			Type     string
			Behavior behavior
		}{Behavior: isolated}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		if !slices.Contains(behaviors, j.Behavior) {
			return fmt.Errorf("%s.behavior: %q, want one of %q", path, j.Behavior, behaviors)
		}
		add(splitter{pattern: charIs(isPunctuation), behavior: j.Behavior})
	case "Whitespace":
		add(splitter{pattern: scanWords{wordNeighbours}, behavior: removed, invert: true})
		return strict(raw, path, &struct{ Type string }{})
	case "WhitespaceSplit":
		add(splitter{pattern: charIs(unicode.IsSpace), behavior: removed})
		return strict(raw, path, &struct{ Type string }{})
	default:
		return unsupported(path, kind, "Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit")
	}
	return nil
}

func (p *parts) decoder(raw json.RawMessage, path string, depth int) error {
	kind, err := p.begin(raw, path, depth)
	if kind == "" {
		return err
	}
	add := func(d decoder) { p.t.decoders = append(p.t.decoders, d) }
	switch kind {
	case "Sequence":
		return each(raw, path, "decoders", func(raw json.RawMessage, path string) error {
			return p.decoder(raw, path, depth+1)
		})
	case "Replace":
		var j replaceJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		pt, err := j.Pattern.pattern(path)
		if err != nil {
			return err
		}
		add(replaceDecoder{pt, j.Content})
	case "ByteFallback":
		add(byteFallbackDecoder{})
		return strict(raw, path, &struct{ Type string }{})
	case "Fuse":
		add(fuseDecoder{})
		return strict(raw, path, &struct{ Type string }{})
	case "Strip":
		var j struct {
			Type, Content string
			Start, Stop   int
		}
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		if utf8.RuneCountInString(j.Content) != 1 {
			return fmt.Errorf("%s.content: %q, want one character", path, j.Content)
		}
		add(stripDecoder{j.Content, j.Start, j.Stop})
	case "ByteLevel":
		add(byteLevelDecoder{})
		return strict(raw, path, &byteLevelJSON{})
	case "Metaspace":
		var j metaspaceJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		scheme, err := j.scheme(path)
		if err != nil {
			return err
		}
		add(metaspaceDecoder{j.Replacement, scheme})
	default:
		return unsupported(path, kind, "Sequence, Replace, ByteFallback, Fuse, Strip, ByteLevel, Metaspace")
	}
	return nil
}

func (p *parts) postProcessor(raw json.RawMessage, path string, depth int) error {
	kind, err := p.begin(raw, path, depth)
	if kind == "" {
		return err
	}
	switch kind {
	case "Sequence":
		return each(raw, path, "processors", func(raw json.RawMessage, path string) error {
			return p.postProcessor(raw, path, depth+1)
		})
	case "ByteLevel": // trims offsets, which are not computed here
		return strict(raw, path, &byteLevelJSON{})
	case "TemplateProcessing":
		if p.hasTemplate {
			return fmt.Errorf("%s: more than one TemplateProcessing is not supported", path)
		}
		p.hasTemplate = true
		var j templateJSON
		if err := strict(raw, path, &j); err != nil {
			return err
		}
		var errPair error
		p.t.single, err = j.parts(path+".single", j.Single, "A")
		p.t.pair, errPair = j.parts(path+".pair", j.Pair, "AB")
		return errors.Join(err, errPair)
	default:
		return unsupported(path, kind, "Sequence, TemplateProcessing, ByteLevel")
	}
}
