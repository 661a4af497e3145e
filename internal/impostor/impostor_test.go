package impostor

import (
	"strings"
	"testing"
)

func TestWhat(t *testing.T) {
	for head, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n": "git lfs pull",
		"\xef\xbb\xbf \r\n<!DOCTYPE html><html>":                              "web page",
		"\n<HTML lang=en>":                                                    "web page",
		"{ \"error\" : \"Repository not found\" }":                            "server's error message",
		"Access to model x/y is restricted.":                                  "server's error message",
		"PK\x03\x04\x00":                                                      "ZIP",
		"\x80\x02\x8a\x0al":                                                   "pickle",
		"GGUF\x03":                                                            "GGUF",
		"tjgg\x03":                                                            "GGML",
		"\x1f\x8b\x08":                                                        "gzip",
		"":                                                                    "empty",
		strings.Repeat("\x00", 600):                                           "zeros",
		`{"weight_map": {}}`:                                                  "",
		"\x40\x01\x00\x00\x00\x00\x00\x00{}":                                  "",
	} {
		if got := What([]byte(head)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.40q: %q, want %q", head, got, want)
		}
	}
}
