package engine

// The bounds of guesses.
const (
	gram      = 3 // tokens that have to be the same before a guess
	maxGuess  = 8 // tokens
	goodGuess = 1.05
)

// guesses guesses how an answer goes on from what stands in the text after the last place where its last tokens stood before:
// prompt-lookup decoding (Saxena 2023). A pass computes the guesses beside the next token; each is compared with what is picked,
// so that the answer is the same without them, sampled ones included. It pays where answers repeat their prompts, on passes whose
// time hardly grows with rows; both are measured.
type guesses struct {
	after  map[[gram]int32]int // the position after the last place of a gram
	text   []int32
	known  int     // tokens of text whose grams are in after
	rate   float64 // of guesses that were right, a moving average
	resume int     // tokens until the next try
}

func newGuesses() *guesses { return &guesses{after: map[[gram]int32]int{}, rate: 0.6} }

// push notes the tokens that the text goes on with.
func (g *guesses) push(ids ...int32) { g.text = append(g.text, ids...) }

// next returns a guess of at most n tokens, which is part of the text.
func (g *guesses) next(n int) []int32 {
	// The last gram is not noted before it is asked for.
	for ; g.known+gram < len(g.text); g.known++ {
		g.after[[gram]int32(g.text[g.known:])] = g.known + gram
	}
	if len(g.text) < gram {
		return nil
	}
	at, ok := g.after[[gram]int32(g.text[len(g.text)-gram:])]
	if !ok {
		return nil
	}
	return g.text[at:min(len(g.text), at+n)]
}

// worth returns how many guesses are worth their time beside so many answers.
func (g *guesses) worth(p *pace, answers int) int {
	if g.resume > 0 {
		g.resume--
		return 0
	}
	without := p.time(answers)
	if without == 0 {
		return 0
	}
	best, gain := 0, goodGuess
	tokens, right := 1.0, 1.0
	for n := 1; n <= maxGuess; n++ {
		right *= g.rate
		tokens += right
		if n&(n+1) != 0 {
			continue // the time is known for powers of two
		}
		with := p.alone[bucket(answers+n)].value
		if with == 0 {
			return n // find out
		}
		// Of a pass, one sequence's share is its tokens; the others wait as long.
		if v := (tokens + float64(answers-1)) / float64(answers) * without / with; v > gain {
			best, gain = n, v
		}
	}
	if best == 0 {
		g.resume = 32
		g.rate = max(g.rate, 0.3) // times change
	}
	return best
}

// learn notes how many of n guesses were right.
func (g *guesses) learn(n, right int) {
	for i := range n {
		v := 0.0
		if i < right {
			v = 1
		}
		g.rate += 0.1 * (v - g.rate)
		if i >= right {
			break
		}
	}
}

// draft adds guesses to the next token of an answer.
func (s *sequence) draft(p *pace, answers int) {
	if s.guesses == nil || len(s.todo) > 1 {
		return
	}
	n := min(s.guesses.worth(p, answers), int(s.wanted.Load())-1, s.room-s.picked-1)
	if n <= 0 {
		return
	}
	next := s.guesses.next(n)
	s.guessed = len(next)
	s.todo = append(s.todo[:1:1], next...)
}
