package engine

import "jamba/engine/sample"

// scoring reports whether what is computed next are tokens of a prompt whose log-probabilities are asked for.
func (s *sequence) scoring() bool {
	return s.request.ScorePrompt && s.goal == goalAnswer && !s.answering && !s.again
}

// score notes how likely the tokens after the next n are, as far as the prompt has them, and returns the logits [vocab] after the
// last of the n. A prompt that is computed a second time is not scored again.
func (s *sequence) score(logits []float32, n int) []float32 {
	vocab, prompt := len(logits)/n, s.request.Prompt
	for i := range n {
		if next := s.at() + i + 1; next == len(s.scores)+1 && next < len(prompt) {
			chosen, top := sample.Logprobs(logits[i*vocab:(i+1)*vocab], prompt[next], s.request.TopTokens, s.request.Padded)
			s.scores = append(s.scores, Score{chosen, top})
		}
	}
	return logits[(n-1)*vocab:]
}
