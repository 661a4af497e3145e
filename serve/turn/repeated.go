package turn

import (
	"encoding/json"
	"strings"
)

// repeated returns a key that an object in JSON has twice, or one that differs from another in case alone: encoding/json takes both
// for the same field. Objects within are not looked at. data is valid JSON.
func repeated(data []byte) string {
	seen := map[string]bool{}
	depth, key := 0, false // key: a string that begins here is a key of the outermost object
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			key = depth == 1 && data[i] == '{'
		case '}', ']':
			depth--
		case ',':
			key = depth == 1
		case '"':
			start := i
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if !key {
				continue
			}
			key = false
			var name string
			_ = json.Unmarshal(data[start:i+1], &name) // a part of what is valid
			if folded := strings.ToLower(strings.ToUpper(name)); seen[folded] {
				return name
			} else {
				seen[folded] = true
			}
		}
	}
	return ""
}
