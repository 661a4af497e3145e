package onig

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
	"unicode"
)

// propertiesGz holds the characters of all names, asked of the reference library: see make_properties.py. They are
// those of Unicode 16; Go's tables are of another version.
//
//go:embed properties.json.gz
var propertiesGz []byte

// properties returns the sets by name: lower case, without spaces, "-" and "_". Posix brackets are under "[:alpha:]",
// types of characters under `\w`, and the classes that \X needs under "x=extend" and so on.
var properties = sync.OnceValue(func() map[string]set {
	z, err := gzip.NewReader(bytes.NewReader(propertiesGz))
	if err != nil {
		panic(err) // the file is part of the program
	}
	all := map[string]set{}
	d := json.NewDecoder(z)
	for d.More() {
		var line struct {
			Names  []string
			Ranges []rune
		}
		if err := d.Decode(&line); err != nil {
			panic(err)
		}
		s := make(set, 0, len(line.Ranges)/2)
		at := rune(0)
		for i := 0; i+1 < len(line.Ranges); i += 2 {
			lo := at + line.Ranges[i]
			hi := lo + line.Ranges[i+1]
			s = append(s, span{lo, hi})
			at = hi + 1
		}
		for _, name := range line.Names {
			all[name] = s
		}
	}
	return all
})

var squeezeName = strings.NewReplacer(" ", "", "-", "", "_", "")

// property returns the characters of \p{name}.
func property(name string) (set, bool) {
	name = strings.ToLower(squeezeName.Replace(name))
	if strings.ContainsAny(name, "[\\=") {
		return nil, false
	}
	s, ok := properties()[name]
	return s, ok
}

// Newer returns a test for the characters that the property has here and Go's table of the same meaning has not: the
// versions of Unicode differ.
func Newer(name string, table *unicode.RangeTable) func(r rune) bool {
	s, _ := property(name)
	return s.and(ofTable(table).not()).has
}
