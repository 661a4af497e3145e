package engine

import "jamba/engine/sample"

// scoreFrom returns the first token of the prompt that is scored, whose logits come with the token before it.
func (r *Request) scoreFrom() int { return max(1, r.ScoreFrom) }

// scores reports whether a prompt is computed for its log-probabilities.
func (s *sequence) scores() bool { return s.request.ScorePrompt && s.goal == goalAnswer }

// scoring reports whether what is computed next are tokens of a prompt whose log-probabilities are asked for.
func (s *sequence) scoring() bool {
	return s.scores() && !s.answering && !s.again && s.at() >= s.request.scoreFrom()-1
}

// stretch returns how many of the next tokens one span may have: it ends where scoring begins, so that logits are made of what is
// scored alone.
func (s *sequence) stretch() int {
	if n := s.request.scoreFrom() - 1 - s.at(); s.scores() && n > 0 {
		return min(n, len(s.todo))
	}
	return len(s.todo)
}

// shared returns the next tokens of a prompt whose states may be shared with other requests, and one more.
func (s *sequence) shared() []int32 {
	if s.scores() {
		return s.todo[:min(s.request.scoreFrom()-s.at(), len(s.todo))]
	}
	return s.todo
}

// score notes how likely the tokens after the next n are, as far as the prompt has them, and returns the logits [vocab] after the
// last of the n. A prompt that is computed a second time is not scored again.
func (s *sequence) score(logits []float32, n int) []float32 {
	vocab, prompt := len(logits)/n, s.request.Prompt
	for i := range n {
		if next := s.at() + i + 1; next == len(s.scored)+s.request.scoreFrom() && next < len(prompt) {
			chosen, top := sample.Logprobs(logits[i*vocab:(i+1)*vocab], prompt[next], s.request.TopTokens, s.request.Padded)
			s.scored = append(s.scored, Score{chosen, top})
		}
	}
	return logits[(n-1)*vocab:]
}
