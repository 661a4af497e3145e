package turn

import "testing"

func TestRepeated(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                              "",
		`null`:                            "",
		`"a"`:                             "",
		`{"a":1,"b":2}`:                   "",
		`{"a":1,"b":2,"a":3}`:             "a",
		`{"a":1,"A":2}`:                   "A",
		`{"a":1,"\u0061":2}`:              "a",
		`{"s":1,"ſ":2}`:                   "ſ",
		"{\"\u212a\":1,\"k\":2}":          "k",
		`{"a":"a","b":"a","c":["a","a"]}`: "",
		`{"a":{"b":1,"b":2},"c":[{"b":1},{"b":2}]}`: "",
		`{"a":{"a":{"a":1}}}`:                       "",
		`{"a":"\"},\"a\":{","b":"\\"}`:              "",
		`{"a":"\\","a":1}`:                          "a",
		`{"a":[[1,2],{"x":[]}],"b":{}, "a" : 1}`:    "a",
		"{\"\":1,\n\"\":2,\"b\":3}":                 "",
	} {
		if got := repeated([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
