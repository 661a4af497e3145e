package engine

import "unicode"

// Bounds of a repetition. An answer that lists, tabulates or programs repeats itself, too, but rarely without any
// change, and rarely for so long.
const (
	maxUnit       = 256  // tokens of what is repeated
	fewTimes      = 6    // that it has to have come, however long it is
	longRun       = 256  // tokens of a run of units that are a sentence or more
	shortUnit     = 12   // tokens below which a unit may be a word, a cell or a line of code
	shortRun      = 512  // tokens of a run of such units
	wordlessRun   = 1024 // tokens of a run of numbers, marks and space
	lettersOfWord = 3
)

// repetition finds out that an answer has got into a loop: that its end is one unit of at most maxUnit tokens again and
// again, each time exactly the same.
type repetition struct {
	tokens []int32          // of the answer
	runs   [maxUnit + 1]int // by length of the unit: how many tokens at the end equal those a unit before
	run    int              // letters at the end of the text
	word   int              // how many tokens have come when the last word did
}

// push takes the next token and the text that became certain by it, and reports whether the answer only repeats itself.
func (r *repetition) push(id int32, text string) bool {
	n := len(r.tokens)
	for _, c := range text {
		if r.run++; !unicode.IsLetter(c) && !unicode.IsMark(c) {
			r.run = 0
		} else if r.run >= lettersOfWord || c > unicode.MaxLatin1 {
			r.word = n + 1
		}
	}
	r.tokens = append(r.tokens, id)
	found := false
	for unit := 1; unit <= min(maxUnit, n); unit++ {
		if r.tokens[n-unit] != id {
			r.runs[unit] = 0
			continue
		}
		r.runs[unit]++
		found = found || r.runs[unit]+unit >= r.enough(unit)
	}
	return found
}

// enough returns how many tokens a run of units of that length has to have.
func (r *repetition) enough(unit int) int {
	run := longRun
	switch {
	case len(r.tokens)-r.word > unit: // no word in the last unit
		run = wordlessRun
	case unit < shortUnit:
		run = shortRun
	}
	return max(run, fewTimes*unit)
}
