package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GGUF returns the vocabulary as GGUF files hold it, and what they cannot say of it: where lost is not empty, a
// tokenizer made of the result may split some texts otherwise. It is an error if GGUF has nothing of the kind.
func (t *Tokenizer) GGUF() (g GGUF, lost []string, err error) {
	g = GGUF{BOS: int(t.bos), EOS: int(t.eos), UNK: int(t.unk), PAD: int(t.pad)}
	g.Tokens, g.TokenTypes = make([]string, len(t.tokens)), make([]int32, len(t.tokens))
	for id, k := range t.tokens {
		text, kind := k.text, pieceNormal
		_, added := t.added[text]
		switch {
		case !k.known:
			text, kind = fillerName(id), pieceUnused
		case k.filler:
			kind = pieceUnused
		case added && k.special:
			kind = pieceControl
		case added:
			kind = pieceUserDefined
		}
		g.Tokens[id], g.TokenTypes[id] = text, int32(kind)
	}
	switch m := t.model.(type) {
	case *bpe:
		if m.byteLevel || t.spellsBytes() {
			err = t.exportBytes(m, &g)
		} else {
			lost, err = t.exportPieces(m, &g)
		}
	case *spm:
		err = t.exportSPM(m, &g)
	default:
		err = fmt.Errorf("a model of type %T", m)
	}
	if err != nil {
		return g, nil, fmt.Errorf("tokenizer: GGUF cannot hold %w", err)
	}
	lost = append(lost, t.exportFrame(&g)...)
	return g, append(lost, t.compare(g)...), nil
}

// exportFrame says which tokens are put around a text.
func (t *Tokenizer) exportFrame(g *GGUF) (lost []string) {
	bos, eos := false, false
	for i, p := range t.single {
		switch {
		case p.seq != 0:
		case i == 0 && len(p.ids) == 1 && p.ids[0] == t.bos:
			bos = true
		case i == len(t.single)-1 && len(p.ids) == 1 && p.ids[0] == t.eos:
			eos = true
		default:
			lost = append(lost, "the post-processor puts more than BOS and EOS around a text")
		}
	}
	g.AddBOS, g.AddEOS = &bos, &eos
	return lost
}

// spellsBytes reports whether texts are spelt in byte characters, as GPT-2 does.
func (t *Tokenizer) spellsBytes() bool {
	return slices.ContainsFunc(t.preTokenizers, func(p preTokenizer) bool { _, ok := p.(byteLevelSplitter); return ok })
}

// exportBytes is byte-level BPE.
func (t *Tokenizer) exportBytes(m *bpe, g *GGUF) error {
	if m.prefix != "" || m.suffix != "" {
		return errors.New("continuing_subword_prefix and end_of_word_suffix")
	}
	g.Model = "gpt2"
	g.Merges = []string{}
	for _, mg := range m.sorted() {
		g.Merges = append(g.Merges, t.tokens[mg.left].text+" "+t.tokens[mg.right].text)
	}
	var err error
	g.Pre, err = t.preName(m.ignoreMerges)
	return err
}

// rankedMerge is a merge with its parts.
type rankedMerge struct {
	merge
	left, right int32
}

// sorted returns the merges in their order.
func (m *bpe) sorted() []rankedMerge {
	all := make([]rankedMerge, 0, len(m.merges))
	for parts, mg := range m.merges {
		all = append(all, rankedMerge{mg, int32(parts >> 32), int32(uint32(parts))})
	}
	slices.SortFunc(all, func(a, b rankedMerge) int { return cmp.Compare(a.rank, b.rank) })
	return all
}

// preName returns llama.cpp's name for the pre-tokenizer: that of the first one known that splits the probes alike.
func (t *Tokenizer) preName(ignoreMerges bool) (string, error) {
	split := func(pts []preTokenizer) string {
		var b strings.Builder
		for _, s := range probes {
			preTokenize(pts, piece{s, true}, newBudget(len(s)), func(p piece) { fmt.Fprintf(&b, "%q", p.s) })
		}
		return b.String()
	}
	own := slices.Clone(t.preTokenizers)
	for i, pt := range own {
		if bl, ok := pt.(byteLevelSplitter); ok {
			bl.raw = true // compare text, not its spelling
			own[i] = bl
		}
	}
	want := split(own)
	for _, pre := range ggufPres {
		if pre.ignoreMerges != ignoreMerges {
			continue
		}
		var pts []preTokenizer
		for _, expr := range pre.patterns {
			p, err := newPattern("pre", expr)
			if err != nil {
				return "", err
			}
			pts = append(pts, splitter{pattern: p, behavior: isolated})
		}
		if split(pts) == want {
			return strings.Fields(pre.names)[0], nil
		}
	}
	return "", errors.New("this pre-tokenizer: llama.cpp has no name for how it splits text")
}

// exportPieces is BPE in the manner of SentencePiece: spaces are written as ▁, and bytes stand for what the vocabulary
// does not have. Pieces have scores instead of merges: the earlier the first merge that makes a piece, the higher.
func (t *Tokenizer) exportPieces(m *bpe, g *GGUF) (lost []string, err error) {
	if !m.byteFallback || m.prefix != "" || m.suffix != "" || m.ignoreMerges {
		return nil, errors.New("a BPE model that is neither byte-level nor one with byte fallback in SentencePiece's manner")
	}
	g.Model = "llama"
	g.Scores = make([]float32, len(g.Tokens))
	made := make([]bool, len(g.Tokens))
	for _, mg := range m.sorted() {
		if !made[mg.id] {
			made[mg.id] = true
			g.Scores[mg.id] = -float32(mg.rank)
		}
	}
	unmade := 0
	for id, kind := range g.TokenTypes {
		text := g.Tokens[id]
		if int32(id) == m.unk {
			g.TokenTypes[id] = int32(pieceUnknown)
		} else if b, ok := byteToken(text); ok && pieceType(kind) == pieceNormal && m.fallback[b] == int32(id) {
			g.TokenTypes[id] = int32(pieceByte)
		} else if pieceType(kind) == pieceNormal && !made[id] && len([]rune(text)) > 1 {
			unmade++
			g.Scores[id] = -1e9
		}
	}
	if unmade > 0 {
		lost = append(lost, fmt.Sprintf("%d tokens are the result of no merge; llama.cpp may use them", unmade))
	}
	return lost, t.exportSpaces(g)
}

// exportSPM is SentencePiece itself. Of the scores only the order matters.
func (t *Tokenizer) exportSPM(m *spm, g *GGUF) error {
	g.Model = "llama"
	g.Scores = make([]float32, len(g.Tokens))
	users := map[int32]bool{}
	for id, k := range t.tokens {
		if user, n, _ := m.user.longest(k.text); n == len(k.text) && n > 0 && k.known {
			users[user] = true
		}
		if id < len(m.ranks) {
			g.Scores[id] = -float32(m.ranks[id])
		}
	}
	for id, kind := range g.TokenTypes {
		b, isByte := byteToken(g.Tokens[id])
		switch {
		case users[int32(id)]:
			g.TokenTypes[id] = int32(pieceUserDefined)
		case m.unused[int32(id)]:
			g.TokenTypes[id] = int32(pieceUnused)
		case int32(id) == m.unk:
			g.TokenTypes[id] = int32(pieceUnknown)
		case isByte && pieceType(kind) == pieceNormal && m.bytes[b] == int32(id):
			g.TokenTypes[id] = int32(pieceByte)
		}
		if pieceType(g.TokenTypes[id]) == pieceUserDefined {
			// They are looked for in the text, which has spaces.
			g.Tokens[id] = strings.ReplaceAll(g.Tokens[id], metaChar, " ")
		}
	}
	return t.exportSpaces(g)
}

// exportSpaces finds out what becomes of spaces by trying.
func (t *Tokenizer) exportSpaces(g *GGUF) error {
	plain := &Tokenizer{} // what t does with spaces, and not with letters
	for _, n := range t.normalizers {
		switch n := n.(type) {
		case spmCharsNormalizer:
			g.Charsmap = n.data
			n.charsmap = new(charsmap)
			plain.normalizers = append(plain.normalizers, n)
		case precompiledNormalizer: // which differs in strings of several characters
			g.Charsmap = n.data
		default:
			plain.normalizers = append(plain.normalizers, n)
		}
	}
	prepare := func(s string) string {
		b := newBudget(len(s))
		var out strings.Builder
		preTokenize(t.preTokenizers, piece{plain.normalize(s, true, b), true}, b, func(p piece) { out.WriteString(p.s) })
		return out.String()
	}
	prefix, collapse := false, false
	switch got := prepare("a  b"); got {
	case "a▁▁b":
	case "▁a▁▁b":
		prefix = true
	case "a▁b":
		collapse = true
	case "▁a▁b":
		prefix, collapse = true, true
	default:
		return fmt.Errorf("a normalizer or pre-tokenizer that turns %q into %q", "a  b", got)
	}
	g.AddSpacePrefix, g.RemoveExtraWhitespaces = &prefix, &collapse
	return nil
}

// probes are texts that well-known tokenizers split in different ways.
var probes = []string{
	"Hello, world!", " leading and  double   spaces ", "tabs\tand\nlines\n\n\nand\r\nmore \n  x", "It's I'll WE'RE they'd'Ve don'T",
	"1 12 123 1234 12345678 3.14 1,000,000 ½ ²", "camelCase HTTPServer snake_case MiXeD ǅ", "naïve café Ünïcödé Straße İstanbul",
	"日本語のテキスト、中文。한국어 ไทย עברית العربية हिन्दी", "emoji 😀👍🏽 ❤️ 👨‍👩‍👧", "a/b\\c #tag @user $5 50% (x) [y] {z} <t> a=b; c<=d != e && f || g",
	"e\u0301 o\u0308\u0323 \u0915\u094d\u0937", "\u00a0\u2003\u3000\u200b\ufeff", "!!!???... --- ___ ~~~ ```", "x\x00y\x7f", "https://example.com/a?b=c&d=1#e",
	"for (int i = 0; i < 10; i++) { printf(\"%d\\n\", i); }\n\t\treturn 0;", "▁ ▁▁a", "…“quoted” ‘single’ — dash – en", "ſ K Å ﬁ Ⅷ 𝔘",
}

// compare tries texts with a tokenizer made of g, and says which it splits otherwise.
func (t *Tokenizer) compare(g GGUF) (lost []string) {
	other, err := FromGGUF(g)
	if err != nil {
		return []string{"it cannot be read back: " + err.Error()}
	}
	different := 0
	try := func(s string) {
		want, err := t.Encode(s, true)
		got, otherErr := other.Encode(s, true)
		if slices.Equal(want, got) && err == nil && otherErr == nil {
			return
		}
		if different++; different == 1 {
			lost = append(lost, fmt.Sprintf("%q becomes %v and not %v", s, got, want))
		}
	}
	for _, s := range probes {
		try(s)
	}
	tokens := 0
	for id, k := range t.tokens {
		if _, ok := t.added[k.text]; ok && k.known && tokens < 64 {
			tokens++
			try("a " + t.tokens[id].text + " b")
		}
	}
	if different > 1 {
		lost = append(lost, fmt.Sprintf("so it is with %d of %d texts that were tried", different, len(probes)+tokens))
	}
	return lost
}
