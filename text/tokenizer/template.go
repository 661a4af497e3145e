package tokenizer

import "fmt"

// A templatePart is either a run of fixed ids or the place of a text.
type templatePart struct {
	ids []int32
	seq byte // 'A' or 'B': the first or second text; 0: ids
}

// maxTemplate bounds the parts of a template and the ids of one part.
const maxTemplate = 64

// expand writes out a template.
func expand(parts []templatePart, first, second []int32, b *budget) []int32 {
	out := make([]int32, 0, len(first)+len(second)+8)
	for _, p := range parts {
		switch p.seq {
		case 'A':
			out = append(out, first...)
		case 'B':
			out = append(out, second...)
		default:
			out = append(out, p.ids...)
		}
		if !b.fits(len(out)) {
			return nil
		}
	}
	return out
}

// texts counts the places of texts.
func texts(parts []templatePart) (n int) {
	for _, p := range parts {
		if p.seq != 0 {
			n++
		}
	}
	return n
}

// Around returns the ids that Encode with special set puts before and after those of a text; ok is false if the file's
// template does not have the text once.
func (t *Tokenizer) Around() (before, after []int32, ok bool) {
	for _, p := range t.single {
		switch {
		case p.seq != 0:
			ok = true
		case ok:
			after = append(after, p.ids...)
		default:
			before = append(before, p.ids...)
		}
	}
	return before, after, texts(t.single) == 1
}

// frame makes the single and pair templates that put bos before and eos after each text where they are
// asked for; -1 leaves one out.
func frame(bos, eos int32) (single, pair []templatePart) {
	around := func(seq byte) (parts []templatePart) {
		if bos >= 0 {
			parts = append(parts, templatePart{ids: []int32{bos}})
		}
		parts = append(parts, templatePart{seq: seq})
		if eos >= 0 {
			parts = append(parts, templatePart{ids: []int32{eos}})
		}
		return parts
	}
	return around('A'), append(around('A'), around('B')...)
}

// templateJSON is a TemplateProcessing post-processor of tokenizer.json.
type templateJSON struct {
	Type          string             `json:"type"`
	Single        []templatePartJSON `json:"single"`
	Pair          []templatePartJSON `json:"pair"`
	SpecialTokens map[string]struct {
		ID     string   `json:"id"`
		IDs    []int64  `json:"ids"`
		Tokens []string `json:"tokens"`
	} `json:"special_tokens"`
}

type templatePartJSON struct {
	SpecialToken *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	}
	Sequence *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	}
}

// parts turns the JSON form into a template; path names the field for errors.
func (tj *templateJSON) parts(path string, in []templatePartJSON, texts string) ([]templatePart, error) {
	if len(in) > maxTemplate {
		return nil, fmt.Errorf("%s: %d parts, at most %d are supported", path, len(in), maxTemplate)
	}
	var out []templatePart
	for i, p := range in {
		switch {
		case p.SpecialToken != nil && p.Sequence == nil:
			sp, ok := tj.SpecialTokens[p.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("%s[%d]: %q is not among the template's special_tokens", path, i, p.SpecialToken.ID)
			}
			if len(sp.IDs) > maxTemplate {
				return nil, fmt.Errorf("%s[%d]: %q has %d ids, at most %d are supported", path, i, p.SpecialToken.ID, len(sp.IDs), maxTemplate)
			}
			var ids []int32
			for _, id := range sp.IDs {
				if id < 0 || id > maxID {
					return nil, fmt.Errorf("%s[%d]: %q has id %d, which is out of range", path, i, p.SpecialToken.ID, id)
				}
				ids = append(ids, int32(id))
			}
			out = append(out, templatePart{ids: ids})
		case p.Sequence != nil && p.SpecialToken == nil:
			if id := p.Sequence.ID; len(id) != 1 || id[0] < 'A' || int(id[0]-'A') >= len(texts) {
				return nil, fmt.Errorf("%s[%d]: sequence %q, want one of %q", path, i, id, texts)
			}
			out = append(out, templatePart{seq: p.Sequence.ID[0]})
		default:
			return nil, fmt.Errorf("%s[%d]: want either SpecialToken or Sequence", path, i)
		}
	}
	return out, nil
}
