package par

// List is loops that run as one: a thread that is done with its share of one goes on with the next, without waiting.
// They must not depend on each other. The zero List is empty; it keeps its memory when it is used again.
type List struct {
	loops []listed
	n     int // iterations
	cost  int64
}

// listed is a loop of n iterations that cost each, after loops that cost before.
type listed struct {
	body         Body
	n            int
	each, before int64
}

// Add appends a loop of n iterations. each is what one of them costs, 1 or more, in a unit that the whole list has.
func (l *List) Add(n, each int, body Body) {
	if n > 0 {
		l.loops = append(l.loops, listed{body, n, int64(each), l.cost})
		l.n, l.cost = l.n+n, l.cost+int64(n)*int64(each)
	}
}

// Run runs all loops and empties the list. What costs less than grain stays on one thread.
func (l *List) Run(grain int) {
	defer l.empty()
	if l.n > 0 {
		Run(l.n, 1+int(int64(grain)*int64(l.n)/l.cost), l)
	}
}

func (l *List) empty() {
	clear(l.loops) // holds on to nothing
	l.loops, l.n, l.cost = l.loops[:0], 0, 0
}

// Range runs the parts of the loops that lie in the share [lo, hi) of the list's cost, which is cut into n.
func (l *List) Range(lo, hi int) {
	from, to := l.share(lo), l.share(hi)
	for i := range l.loops {
		if first, end := l.loops[i].at(from), l.loops[i].at(to); first < end {
			l.loops[i].body.Range(first, end)
		}
	}
}

func (l *List) share(i int) int64 { return int64(i) * l.cost / int64(l.n) }

// at is the first iteration that begins at that cost or after it.
func (l *listed) at(cost int64) int {
	return int(min(max(0, (cost-l.before+l.each-1)/l.each), int64(l.n)))
}
