package jinja

import (
	"fmt"
	"math/big"
	"runtime"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"jamba/internal/testutil"
)

// cpuTime is what this thread has worked so far: other tests and other programs do not count.
func cpuTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var r syscall.Rusage
	if err := syscall.Getrusage(thisThread, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// allocated is the bytes ever taken from the heap, a few hundred thousand more or less.
func allocated() int {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}

// TestPrice runs every filter, test, method, function and operator on operands that are hard for one or the other, and
// compares the time and memory it took with what it paid. A new one is covered by being in its table.
func TestPrice(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	objs, calls := hardOperands(), hardArguments()
	if testing.Short() {
		calls = calls[:2]
	}
	for on, o := range objs {
		for _, call := range calls {
			for name, f := range filters {
				price(t, on+"|"+name+call.name, func(c *state) (any, error) { return c.run(f, o, call.args) })
			}
			for name, f := range tests {
				if len(call.args.pos) > 1 || call.args.kw != nil {
					break // no test has as many arguments
				}
				price(t, on+" is "+name+call.name, func(c *state) (any, error) { return c.run(f, o, call.args) })
			}
			for name := range methodNames(o) {
				price(t, on+"."+name+call.name, func(c *state) (any, error) {
					m, err := c.getAttr(o, name)
					if err != nil {
						return nil, err
					}
					return c.callValue(m, call.args)
				})
			}
		}
		for name, g := range globals {
			price(t, name+"("+on+")", func(c *state) (any, error) { return c.callValue(g, args{pos: []any{o}}) })
		}
		for other, x := range objs {
			for _, op := range []string{"+", "-", "*", "/", "//", "%", "**"} {
				price(t, on+" "+op+" "+other, func(c *state) (any, error) { return c.binaryOp(op, o, x) })
			}
			for _, op := range []string{"==", "<", "in"} {
				price(t, on+" "+op+" "+other, func(c *state) (any, error) { return c.compare(op, o, x) })
			}
			price(t, on+"["+other+"]", func(c *state) (any, error) { return c.getItem(o, x) })
		}
		for _, p := range [][3]any{{nil, nil, int64(-1)}, {int64(5), nil, nil}, {nil, int64(-5), int64(2)}} {
			price(t, fmt.Sprint(on, p), func(c *state) (any, error) { return c.slice(o, p) })
		}
	}
}

// price runs f and checks that what it paid covers what it took.
func price(t *testing.T, what string, f func(c *state) (any, error)) {
	t.Helper()
	b := bill{f: f, stepLimit: 1 << 17, memoryLimit: 16 << 20, scratch: 128}
	b.check(t, what)
}

// bill adds up what runs of f took and paid.
type bill struct {
	f                      func(c *state) (any, error)
	stepLimit, memoryLimit int // of a run
	scratch                int // bytes that a step may take beside
	runs                   int
	steps, memory          int
	took                   time.Duration
	made                   int
}

// check runs f until what it paid covers what it took: long enough for the clock, and for a collection of garbage to matter
// little.
func (b *bill) check(t *testing.T, what string) {
	t.Helper()
	b.run()
	for repeat := 10; !b.fair(1); repeat *= 2 {
		if b.took > 50*time.Millisecond || b.runs > 20000 {
			if slow := testutil.Slowness(); !b.fair(slow) {
				t.Errorf("%s took %v and %d bytes, paid %d steps and %d bytes; this machine is %.1f times slower than it might be", what, b.took, b.made, b.steps, b.memory, slow)
			}
			return
		}
		for range repeat {
			b.run()
		}
	}
}

func (b *bill) run() {
	c := &state{tmpl: &Template{name: "t"}, now: time.Now}
	c.limits.steps, c.limits.memory, c.limits.output = b.stepLimit, b.memoryLimit, 1<<30
	before, start := allocated(), cpuTime()
	v, err := b.f(c)
	if g, ok := v.(*generator); ok && err == nil {
		_, _ = c.collect(g)
	}
	b.took += cpuTime() - start
	b.made += allocated() - before
	b.runs++
	b.steps += c.steps + 4 // those of the expression that calls f, its operands and what takes its value
	b.memory += c.memory
}

// fair tells whether what was paid covers what was taken, on a machine that is some times slower than a quiet Zen 3. The limits of
// a rendering are 5 million steps and 64 MiB; it must end within 5 s and 256 MiB.
func (b *bill) fair(slow float64) bool {
	const perStep, perRun = 1000 * time.Nanosecond, time.Microsecond // a clock's own time
	limit := float64(b.steps)*float64(perStep) + float64(b.runs)*float64(perRun)
	return float64(b.took) <= slow*limit && b.made <= 2*b.memory+b.scratch*b.steps+1<<16
}

func hardOperands() map[string]any {
	text := func(unit string) string { return strings.Repeat(unit, 1<<16/len(unit)) }
	list := func(v any, n int) *List {
		l := &List{items: make([]any, n)}
		for i := range l.items {
			l.items[i] = v
		}
		return l
	}
	dict := NewDict()
	for i := range 1 << 13 {
		dict.Set(fmt.Sprint("k", i), "v")
	}
	return map[string]any{
		"letters": text("a"), "words": text("Ab "), "lines": text("\n"), "blanks": text(" "), "tabs": text("\t"),
		"sigmas": text("Σς"), "ligatures": text("ﬃ"), "controls": text("\x01"), "quotes": text(`<&"\`), "hyphens": text("-"),
		"tags": text("<a>&amp;"), "percents": text("%d"), "stars": text("%*d"), "braces": text("{0}"), "dots": text("."),
		"digits": text("9"), "4000 digits": text("9")[:4000], "safe": markup(text("<'b")),
		"big": new(big.Int).Lsh(big.NewInt(1), 14000), "float": 1.5e-300, "int": int64(100), "none": nil,
		"list": list("aB", 1<<14), "ints": list(int64(5), 1<<14), "texts": list(text("B"), 1<<12), "lists": list(list("x", 1<<10), 64),
		"pairs": list(&tuple{items: []any{text("k"), nil}}, 1<<11), "tuple": &tuple{items: list(text("b"), 1<<12).items},
		"range": &rangeVal{0, 100000, 1}, "dict": dict,
	}
}

type hardCall struct {
	name string
	args args
}

func hardArguments() []hardCall {
	o := hardOperands()
	call := func(name string, pos ...any) hardCall { return hardCall{"(" + name + ")", args{pos: pos}} }
	kw := func(name string, v any) hardCall { return hardCall{"(" + name + "=)", args{kw: []kwarg{{name, v}}}} }
	return []hardCall{
		call(""),
		call("3", int64(3)),
		call("letters", o["letters"]),
		call("texts", o["texts"]),
		call("a, bb", "a", "bb"),
		call("2**40", int64(1)<<40),
		call("-400", int64(-400)),
		call("''", "", "x"),
		call("letters, b", "b"+text16(o["letters"]), "b"),
		call("sigmas", o["sigmas"]),
		call("dots", o["dots"]),
		call("upper", "upper"),
		call("1, true, true", int64(1), true, true),
		kw("indent", int64(100)), kw("ensure_ascii", true), kw("sort_keys", true), kw("attribute", "x"),
	}
}

func text16(v any) string {
	s, _ := asStr(v)
	return s[:1<<14]
}

// methodNames are the names of the methods that a value's type has.
func methodNames(v any) map[string]bool {
	names := map[string]bool{"count": true, "index": true}
	switch v.(type) {
	case string, markup:
		for n := range strMethods {
			names[n] = true
		}
	case *Dict:
		for n := range dictMethods {
			names[n] = true
		}
	}
	return names
}
