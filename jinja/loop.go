package jinja

// loopVal is the variable loop. It reads one item ahead where last, nextitem or length ask for it.
type loopVal struct {
	c       *state
	iter    any // what is gone through
	next    next
	index0  int
	depth0  int
	total   int // -1 until known
	ahead   []any
	prev    any
	cur     any
	changed any // arguments of the last call of loop.changed, or missing
	recurse recurseFunc
}

// recurseFunc renders a recursive loop for other items; it is nil for other loops.
type recurseFunc func(items any, depth0 int) (string, error)

// forStmt runs a loop. A recursive one gathers its output apart and can be called again from inside.
func (c *state) forStmt(s *forStmt, sc *scope, out *buffer) (flow, error) {
	items, err := c.eval(s.iter, sc)
	if err != nil {
		return 0, err
	}
	if !s.recursive {
		return c.loop(s, items, 0, nil, sc, out)
	}
	var recurse recurseFunc
	recurse = func(items any, depth0 int) (string, error) {
		if c.calls++; c.calls > maxCalls {
			c.calls--
			return "", failf(kindLimit, "calls nested more than %d deep", maxCalls)
		}
		defer func() { c.calls-- }()
		var b buffer
		_, err := c.loop(s, items, depth0, recurse, sc, &b)
		return b.String(), err
	}
	text, err := recurse(items, 0)
	if err != nil {
		return 0, err
	}
	return 0, c.write(out, text)
}

// loop goes through the items. Its flow is that of the else branch; break and continue end here.
func (c *state) loop(s *forStmt, items any, depth0 int, recurse recurseFunc, sc *scope, out *buffer) (flow, error) {
	if s.test != nil {
		f, err := c.filtered(s, items, sc)
		if err != nil {
			return 0, err
		}
		items = newGenerator(f)
	}
	it, err := c.iterate(items)
	if err != nil {
		return 0, err
	}
	l := &loopVal{c: c, iter: items, next: it, recurse: recurse, index0: -1, depth0: depth0, total: -1}
	l.prev, l.cur, l.changed = missing, missing, missing
	// As in Jinja, an iteration that ends by continue does not count as one when it comes to else.
	ran := false
	for {
		ok, err := l.advance()
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		in, err := c.open(s.bodySyms, sc)
		if err != nil {
			return 0, err
		}
		in.vars["loop"] = l
		if err := c.assign(s.target, l.cur, in); err != nil {
			return 0, err
		}
		f, err := c.exec(s.body, in, out)
		c.close(in)
		if err != nil {
			return 0, err
		}
		if f == flowBreak {
			break
		}
		ran = ran || f == flowNext
	}
	if ran || s.els == nil {
		return 0, nil
	}
	in, err := c.open(s.elsSyms, sc)
	if err != nil {
		return 0, err
	}
	defer c.close(in)
	return c.exec(s.els, in, out)
}

// filtered returns the items that pass the loop's test, evaluated one by one as the loop goes on.
func (c *state) filtered(s *forStmt, items any, sc *scope) (next, error) {
	it, err := c.iterate(items)
	if err != nil {
		return nil, err
	}
	var in *scope
	return func() (any, bool, error) {
		if in == nil {
			var err error
			if in, err = c.open(s.tstSym, sc); err != nil {
				return nil, false, err
			}
		}
		for {
			x, ok, err := it()
			if err != nil || !ok {
				return nil, false, err
			}
			if err := c.assign(s.target, x, in); err != nil {
				return nil, false, err
			}
			v, err := c.eval(s.test, in)
			if err != nil {
				return nil, false, err
			}
			if truth(v) {
				return x, true, nil
			}
		}
	}, nil
}

func (l *loopVal) advance() (bool, error) {
	if ok, err := l.peek(); !ok || err != nil {
		return false, err
	}
	l.index0++
	l.prev, l.cur = l.cur, l.ahead[0]
	l.ahead = l.ahead[1:]
	return true, nil
}

// peek makes sure that the next item, if any, is in ahead.
func (l *loopVal) peek() (bool, error) {
	if len(l.ahead) > 0 {
		return true, nil
	}
	v, ok, err := l.next()
	if ok && err == nil {
		l.ahead = append(l.ahead, v)
	}
	return ok && err == nil, err
}

// length counts the items, reading a generator to its end.
func (l *loopVal) length() (int, error) {
	if l.total >= 0 {
		return l.total, nil
	}
	if _, ok := l.iter.(*generator); !ok {
		n, err := length(l.iter)
		l.total = int(n)
		return l.total, err
	}
	for {
		v, ok, err := l.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if err := l.c.alloc(3 * valueSize); err != nil { // appending takes up to three times the length
			return 0, err
		}
		l.ahead = append(l.ahead, v)
	}
	l.total = l.index0 + 1 + len(l.ahead)
	return l.total, nil
}

// attr returns an attribute of loop, or missing.
func (l *loopVal) attr(name string) (any, error) {
	switch name {
	case "index":
		return int64(l.index0 + 1), nil
	case "index0":
		return int64(l.index0), nil
	case "depth":
		return int64(l.depth0 + 1), nil
	case "depth0":
		return int64(l.depth0), nil
	case "first":
		return l.index0 == 0, nil
	case "last":
		ok, err := l.peek()
		return !ok, err
	case "length":
		n, err := l.length()
		return int64(n), err
	case "revindex":
		n, err := l.length()
		return int64(n - l.index0), err
	case "revindex0":
		n, err := l.length()
		return int64(n - l.index0 - 1), err
	case "previtem":
		if l.index0 == 0 {
			return undefinedHint("there is no previous item"), nil
		}
		return l.prev, nil
	case "nextitem":
		ok, err := l.peek()
		if err != nil || !ok {
			return undefinedHint("there is no next item"), err
		}
		return l.ahead[0], nil
	case "cycle":
		return &builtin{"cycle", l.cycle}, nil
	case "changed":
		return &builtin{"changed", l.hasChanged}, nil
	}
	return missing, nil
}

func (l *loopVal) cycle(_ *state, a args) (any, error) {
	if err := a.noKeywords("cycle"); err != nil {
		return nil, err
	}
	if len(a.pos) == 0 {
		return nil, failf(kindType, "no items for cycling given")
	}
	return a.pos[l.index0%len(a.pos)], nil
}

func (l *loopVal) hasChanged(c *state, a args) (any, error) {
	if err := a.noKeywords("changed"); err != nil {
		return nil, err
	}
	v := &tuple{items: a.pos}
	if l.changed != missing {
		same, err := c.equal(l.changed, v)
		if err != nil || same {
			return false, err
		}
	}
	l.changed = v
	return true, nil
}

// call renders the loop's body for other items, in a recursive loop.
func (l *loopVal) call(a args) (any, error) {
	v, err := a.bind("loop", "iterable")
	if err != nil {
		return nil, err
	}
	if l.recurse == nil {
		return nil, failf(kindType, "The loop must have the 'recursive' marker to be called recursively.")
	}
	return l.recurse(v[0], l.depth0+1)
}
