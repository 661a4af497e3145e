package tokenizer

import (
	"iter"
	"runtime"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// trainChunk is about how many bytes of text are counted at a time.
const trainChunk = 1 << 20

// countWords counts the words of texts, on all cores.
func countWords(texts iter.Seq2[string, error], o TrainOptions) (map[string]int64, error) {
	scan := o.scanner()
	chunks := make(chan string, 4)
	counts := make([]map[string]int64, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range counts {
		counts[i] = map[string]int64{}
		wg.Go(func() {
			for chunk := range chunks {
				countChunk(counts[i], chunk, scan)
			}
		})
	}
	added := o.matcher()
	var err error
	for text, e := range texts {
		if err = e; err != nil {
			break
		}
		added.split(text, nil, func(id int32, lo, hi int) {
			if id < 0 {
				cutChunks(text[lo:hi], func(chunk string) { chunks <- chunk })
			}
		})
	}
	close(chunks)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	total := counts[0]
	for _, c := range counts[1:] {
		for word, n := range c {
			total[word] += n
		}
	}
	return total, nil
}

// cutChunks cuts a text where no word of any kind goes on: between the end of a line and what is no white space.
func cutChunks(text string, yield func(string)) {
	for len(text) > trainChunk {
		at := trainChunk
		for ; at < len(text); at++ {
			if text[at-1] == '\n' {
				if r, _ := utf8.DecodeRuneInString(text[at:]); !unicode.IsSpace(r) && r != metaRune {
					break
				}
			}
		}
		yield(text[:at])
		text = text[at:]
	}
	yield(text)
}

func countChunk(counts map[string]int64, text string, scan scanner) {
	for at := 0; at < len(text); {
		n := scan(text[at:])
		word := text[at : at+n]
		at += n
		for len(word) > maxTrainWord {
			cut := maxTrainWord
			for cut > maxTrainWord-utf8.UTFMax && !utf8.RuneStart(word[cut]) {
				cut--
			}
			count(counts, word[:cut])
			word = word[cut:]
		}
		count(counts, word)
	}
}

func count(counts map[string]int64, word string) {
	if n, ok := counts[word]; ok {
		counts[word] = n + 1
		return
	}
	counts[strings.Clone(word)] = 1 // the text need not stay in memory
}

// scanner returns what finds the words of this kind.
func (o *TrainOptions) scanner() scanner {
	switch o.Kind {
	case KindLlama3:
		return wellKnown[llama3Pattern].(scanned).scanner
	case KindGPT2:
		return gpt2Words.scanner
	}
	return scanMeta
}

// scanMeta finds words as SentencePiece's trainer does with Jamba's settings: spaces go with the letters, or with the
// other signs, that they stand before; digits are single. The tokenizer itself has no such rule and needs none: no
// merge is learnt across the words' bounds, so none is made there.
func scanMeta(s string) int {
	spaces := 0
	for spaces < len(s) {
		if s[spaces] == ' ' {
			spaces++
		} else if strings.HasPrefix(s[spaces:], metaChar) {
			spaces += len(metaChar)
		} else {
			break
		}
	}
	c, n := metaClass(s[spaces:])
	if spaces > 0 && (n == 0 || c != letter && c != other) {
		return spaces
	}
	at := spaces + n
	for c != number && at < len(s) {
		d, n := metaClass(s[at:])
		if d != c || s[at] == ' ' {
			break
		}
		at += n
	}
	return at
}

// metaClass is classAt, but marks belong to the letters that they stand on, and "▁" is a space.
func metaClass(s string) (class, int) {
	c, n := classAt(s)
	if n > 1 && c == other {
		switch r, _ := utf8.DecodeRuneInString(s); {
		case r == metaRune:
			return space, n
		case unicode.IsMark(r):
			return letter, n
		}
	}
	return c, n
}
