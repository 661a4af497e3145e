package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The errors of llguidance that name what is somewhere in the schema.
var (
	unimplemented = regexp.MustCompile(`^Unimplemented keys: \["([^"]+)"`)
	unknownFormat = regexp.MustCompile(`^Unknown format: (.*)`)
)

// placed returns an error of llguidance's with the place in the schema, where it can be told.
func (f Format) placed(err error) error {
	message := err.Error()
	if strings.HasPrefix(message, "NoExtensionBias") {
		return errors.New("allows no token of the model here")
	}
	if f.kind != jsonSchema {
		return err
	}
	message, _, _ = strings.Cut(message, "\n")
	var is func(key string, value any) bool
	what := "is not supported"
	if m := unimplemented.FindStringSubmatch(message); m != nil {
		is = func(key string, _ any) bool { return key == m[1] }
	} else if m := unknownFormat.FindStringSubmatch(message); m != nil {
		is = func(key string, value any) bool { return key == "format" && value == m[1] }
		what = fmt.Sprintf("%q is not supported", m[1])
	}
	var schema any
	if is == nil || json.Unmarshal([]byte(f.text), &schema) != nil {
		return errors.New(message)
	}
	if place := find(schema, is); place != "" {
		return fmt.Errorf("%s %s", place, what)
	}
	return errors.New(message)
}

// find returns the JSON pointer of the first keyword of a schema for which is holds, "" if there is none.
func find(schema any, is func(key string, value any) bool) string {
	switch s := schema.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(s)) {
			if is(key, s[key]) {
				return "/" + escape(key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(s)) {
			var at string
			switch key {
			case "properties", "patternProperties", "$defs", "definitions":
				named, _ := s[key].(map[string]any)
				for _, name := range slices.Sorted(maps.Keys(named)) {
					if at = find(named[name], is); at != "" {
						at = "/" + escape(name) + at
						break
					}
				}
			case "const", "enum", "default", "examples":
			default:
				at = find(s[key], is)
			}
			if at != "" {
				return "/" + escape(key) + at
			}
		}
	case []any:
		for i, v := range s {
			if at := find(v, is); at != "" {
				return fmt.Sprintf("/%d%s", i, at)
			}
		}
	}
	return ""
}

// escape writes a key as JSON pointers have it (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
