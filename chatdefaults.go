package jamba

// chatSampling is how other programs sample where a model says nothing of it (llama.cpp, Ollama). The most likely tokens
// alone lead small models into one sentence without end.
var chatSampling = Sampling{Temperature: 0.8, TopP: 0.95, MinP: 0.05}

// ChatDefaults returns the options that people expect of a chat: Defaults if the model's files say whether to sample, even
// if they say not to; else with temperature 0.8, top-p 0.95 and min-p 0.05.
func (m *Model) ChatDefaults() Options {
	o := m.defaults
	if !m.sampled {
		o.Sampling = chatSampling
		o.RepetitionPenalty = m.defaults.RepetitionPenalty
	}
	return o
}
