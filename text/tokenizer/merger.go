package tokenizer

import "container/heap"

// merger learns merges. A pair's count follows every merge, in the words that hold the pair and nowhere else; the queue
// may hold counts that are out of date, which only fall, so that the true ones are looked up when they come up.
type merger struct {
	o       TrainOptions
	tokens  []string
	ids     map[string]int32
	lengths []int32 // of tokens, in symbols

	words [][]int32 // ids; noToken where the vocabulary has none
	count []int64   // of each word
	pairs map[uint64]*pairStat
	queue pairQueue
	made  map[uint64]bool // pairs that are merges already

	// of the merge at hand
	seen  []int32 // word → the last merge that it was gone through for
	fresh []uint64
}

const noToken = -1

// pairStat is what is known of a pair.
type pairStat struct {
	count  int64
	words  []int32 // that have, or had, the pair; may repeat
	queued bool    // with a count that is at least the true one
}

func newMerger(tokens []string, o TrainOptions) *merger {
	m := &merger{o: o, tokens: tokens, ids: make(map[string]int32, o.VocabSize), pairs: map[uint64]*pairStat{}, made: map[uint64]bool{}}
	for id, token := range tokens {
		m.ids[token] = int32(id)
		m.lengths = append(m.lengths, 1)
	}
	return m
}

// addWord adds a word that was seen n times.
func (m *merger) addWord(word string, n int64) {
	var ids []int32
	m.o.spell(word, func(token string) {
		id, ok := m.ids[token]
		if !ok {
			id = noToken
		}
		ids = append(ids, id)
	})
	if len(ids) < 2 {
		return
	}
	w := int32(len(m.words))
	m.words, m.count, m.seen = append(m.words, ids), append(m.count, n), append(m.seen, -1)
	for i := range ids[1:] {
		m.change(ids[i], ids[i+1], w, 1)
	}
}

// change adds to the count of a pair in word w.
func (m *merger) change(left, right, w int32, sign int64) {
	if left == noToken || right == noToken || int(m.lengths[left]+m.lengths[right]) > m.o.MaxTokenLength {
		return
	}
	key := pair(left, right)
	p := m.pairs[key]
	if p == nil {
		p = new(pairStat)
		m.pairs[key] = p
	}
	p.count += sign * m.count[w]
	if sign < 0 {
		return
	}
	if n := len(p.words); n == 0 || p.words[n-1] != w {
		p.words = append(p.words, w)
	}
	m.fresh = append(m.fresh, key)
}

// enqueue puts the pairs that became more frequent into the queue.
func (m *merger) enqueue() {
	for _, key := range m.fresh {
		if p := m.pairs[key]; p.count > 0 && !p.queued {
			p.queued = true
			heap.Push(&m.queue, queued{p.count, key})
		}
	}
	m.fresh = m.fresh[:0]
}

// run makes tokens until there are enough, or no pair is frequent enough, and returns the merges.
func (m *merger) run() [][2]string {
	var merges [][2]string
	round := int32(0)
	m.enqueue()
	for len(m.tokens) < m.o.VocabSize && len(m.queue) > 0 {
		top := heap.Pop(&m.queue).(queued)
		p := m.pairs[top.key]
		if p.count != top.count {
			p.queued = p.count > 0
			if p.queued {
				heap.Push(&m.queue, queued{p.count, top.key})
			}
			continue
		}
		if p.count < int64(m.o.MinFrequency) {
			break
		}
		left, right := int32(top.key>>32), int32(uint32(top.key))
		whole := m.tokens[left] + m.tokens[right]
		id, ok := m.ids[whole]
		if !ok {
			id = int32(len(m.tokens))
			m.tokens, m.ids[whole] = append(m.tokens, whole), id
			m.lengths = append(m.lengths, m.lengths[left]+m.lengths[right])
		}
		for _, w := range p.words {
			if m.seen[w] != round {
				m.seen[w] = round
				m.merge(w, left, right, id)
			}
		}
		round++
		// A pair can come up again when one of its tokens is made in another way, too.
		if !m.made[top.key] {
			m.made[top.key] = true
			merges = append(merges, [2]string{m.tokens[left], m.tokens[right]})
		}
		delete(m.pairs, top.key) // all its occurrences are gone
		m.enqueue()
		if m.o.Progress != nil {
			m.o.Progress(int64(len(m.tokens)), int64(m.o.VocabSize))
		}
	}
	return merges
}

// merge puts id in the place of left and right in word w, from left to right.
func (m *merger) merge(w, left, right, id int32) {
	in := m.words[w]
	out := in[:0]
	for i := 0; i < len(in); i++ {
		if in[i] != left || i+1 == len(in) || in[i+1] != right {
			out = append(out, in[i])
			continue
		}
		if n := len(out); n > 0 {
			m.change(out[n-1], left, w, -1)
			m.change(out[n-1], id, w, 1)
		}
		i++
		if i+1 < len(in) {
			m.change(right, in[i+1], w, -1)
			m.change(id, in[i+1], w, 1)
		}
		out = append(out, id)
	}
	m.words[w] = out
}

// queued is a pair in the queue with its count when it was put there.
type queued struct {
	count int64
	key   uint64
}

// pairQueue has the most frequent pair on top, of equally frequent ones that of the lowest ids.
type pairQueue []queued

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	return q[i].count > q[j].count || q[i].count == q[j].count && q[i].key < q[j].key
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(queued)) }
func (q *pairQueue) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}
