package onig

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/dlclark/regexp2"
	"pgregory.net/rapid"
)

func anySet() *rapid.Generator[set] {
	edge := rapid.OneOf(rapid.Int32Range(0, 40), rapid.Int32Range(unicode.MaxRune-5, unicode.MaxRune))
	return rapid.Custom(func(t *rapid.T) set {
		var spans []span
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			a, b := edge.Draw(t, "a"), edge.Draw(t, "b")
			spans = append(spans, span{min(a, b), max(a, b)})
		}
		return of(spans)
	})
}

// The algebra of sets is that of their members.
func TestSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySet().Draw(t, "a"), anySet().Draw(t, "b")
		or, and, not := a.union(b), a.and(b), a.not()
		within := true
		for _, r := range []rune{0, 1, 2, 7, 12, 13, 20, 39, 40, 41, 1000, unicode.MaxRune - 6, unicode.MaxRune - 3, unicode.MaxRune} {
			if or.has(r) != (a.has(r) || b.has(r)) || and.has(r) != (a.has(r) && b.has(r)) || not.has(r) == a.has(r) {
				t.Fatalf("%d: %v %v: or %v, and %v, not %v", r, a, b, or, and, not)
			}
		}
		for _, s := range a {
			for r := s.lo; r <= min(s.hi, 50); r++ {
				within = within && b.has(r)
			}
			within = within && (s.hi <= 50 || b.has(s.hi) && b.and(s.lo50()).equal(s.lo50()))
		}
		if a.within(b) != within {
			t.Fatalf("%v within %v: %v, want %v", a, b, a.within(b), within)
		}
		for _, s := range []set{or, and, not} {
			for i, x := range s {
				if x.lo > x.hi || i > 0 && x.lo <= s[i-1].hi+1 {
					t.Fatalf("%v is not in order", s)
				}
			}
		}
	})
}

// lo50 is the part of a range beyond 50.
func (s span) lo50() set { return set{{max(s.lo, 51), s.hi}} }

func (a set) equal(b set) bool { return slices.Equal(a, b) }

// A class that is written for the engine has the members of the set, by whatever categories it is written.
func TestClassesAsTheEngineReadsThem(t *testing.T) {
	names := []string{"l", "lu", "m", "nd", "p", "han", "greek", "alpha", "[:punct:]", `\w`, "[:word:]", "cntrl", "emoji", "any"}
	for i, name := range names {
		s := properties()[name]
		if s == nil {
			t.Fatalf("no property %q", name)
		}
		for _, s := range []set{s, s.not(), s.and(properties()[names[(i+3)%len(names)]].not())} {
			re := regexp2.MustCompile(`^`+class(s)+`$`, regexp2.None)
			for r := rune(0); r < 0x32000; r += 1 + r/700 {
				if 0xD800 <= r && r < 0xE000 {
					continue
				}
				if ok, _ := re.MatchString(string(r) + ""); ok != s.has(r) && r != '\n' {
					t.Fatalf("%s: %U: %v, want %v", name, r, ok, s.has(r))
				}
			}
		}
	}
}

// The recorded properties are Go's but for newer characters.
func TestPropertiesAreGos(t *testing.T) {
	for name, table := range unicode.Scripts {
		s, ok := property(name)
		if !ok {
			t.Errorf("no script %s", name)
			continue
		}
		if got := ofTable(table); !got.within(s) {
			t.Errorf("%s lacks characters of Go's table", name)
		}
	}
	for _, name := range []string{"x=extend", "x=after", "x=prepend", "x=control", "x=l", "x=v", "x=t", "x=lv", "x=lvt", "extendedpictographic", "regionalindicator"} {
		if len(properties()[name]) == 0 {
			t.Errorf("no class %s", name)
		}
	}
}

func TestTranslate(t *testing.T) {
	for in, want := range map[string]string{
		`a+b*`:               `a+b*`,
		`a++`:                `(?>a+)`,
		`a{,2}`:              `a{0,2}`,
		`a{3,1}`:             `(?>a{1,3})`,
		`a{2}+`:              `(?:a{2,2})+`,
		`(a)b`:               `(?:a)b`,
		`(a)\1`:              `(?<g31>a)\k<g31>`,
		`[a-c&&b-d]`:         `[bc]`,
		`(?i)s`:              "(?:[Ssſ])",
		`a(?i)b|c`:           `a(?:[Bb]|[Cc])`,
		`(?x) a #b` + "\n c": `(?:ac)`,
	} {
		if got, err := Translate(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	deep := strings.Repeat("(", 200) + strings.Repeat(")", 200)
	for in, want := range map[string]string{
		`ab\Kc`:                         `at character 4: \K is not supported`,
		`\Ga`:                           `\G is not supported`,
		`(?~ab)`:                        "an absent operator (?~…) is not supported",
		`(?<n>a)\g<n>`:                  `a call \g<…> of a group is not supported`,
		`(*FAIL)`:                       "a callout (*…) is not supported",
		`(?{x})`:                        "a callout (?{…}) is not supported",
		`(?C)a`:                         "the option (?C) is not supported",
		`\p{Foo}`:                       `an unknown property \p{Foo}`,
		`[[:foo:]]`:                     "an unknown posix bracket [:foo:]",
		`[\w-.]`:                        `"-" after a class`,
		`[b-a]`:                         "the range 'b'-'a' is empty",
		`(?<=(?>a))b`:                   "an atomic group (?>…) within a look-behind is not supported",
		`(?i)(a)\1`:                     "a reference to a group where case is ignored is not supported",
		`(a)\2`:                         `a reference to the group "2", which is not there`,
		`a{100001}`:                     "repetition of more than 100000 times",
		deep:                            "groups nested deeper than 100",
		`[` + strings.Repeat(`[a`, 200): "character classes nested deeper than 100",
		strings.Repeat(`[ab]`, 201):     "more than 200 character classes",
		strings.Repeat(`\b`, 4000):      "too large an expression",
	} {
		if _, err := Translate(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", in, err, want)
		}
	}
}

// Whatever an expression is, it is translated to one that the engine takes, or an error.
func TestTranslateAnything(t *testing.T) {
	part := rapid.SampledFrom(strings.Split(`a b [ ] ( ) | * + ? { } , 1 2 ^ $ . \ - & && [: :] alpha (?: (?= (?<= (?i) (?<n> \k<n> \1 \x \u0041 \p{L} \p{ \w \b \X \R # ß ss &&[ [^ ' : ! < >`, " "))
	rapid.Check(t, func(t *rapid.T) {
		expr := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), "")
		out, err := Translate(expr)
		if err != nil {
			return
		}
		if _, err := regexp2.Compile(out, regexp2.None); err != nil {
			t.Fatalf("%q became %q: %v", expr, out, err)
		}
	})
}
