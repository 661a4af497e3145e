package serve

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Keys are the keys of a file that clients have to have one of. It has a key in each line, or sha256: and the hexadecimal SHA-256 of
// one, and behind it what it may do:
//
//	sha256:5e88… name=alice requests=60 tokens=100000 parallel=4
//
// are a name for the log, at most so many requests and tokens, of prompts and answers, a minute, and so many requests at a time. Empty
// lines and those that begin with # are left out. When the file changes it is read again; who has spent what is not forgotten.
type Keys struct {
	path string

	mu    sync.Mutex
	keys  []*account
	watch watch
}

// OpenKeys reads a file of keys. It is an error if there is none in it.
func OpenKeys(path string) (*Keys, error) {
	k := &Keys{path: path, watch: watch{paths: []string{path}}}
	k.watch.changed()
	return k, k.read()
}

// maxKeys is how large a file of keys may be.
const maxKeys = 1 << 20

func (k *Keys) read() error {
	f, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeys+1))
	if err != nil {
		return err
	}
	if len(data) > maxKeys {
		return fmt.Errorf("%s: a file of keys has at most %d bytes", k.path, maxKeys)
	}
	old := map[[sha256.Size]byte]*account{}
	for _, a := range k.keys {
		old[a.hash] = a
	}
	var keys []*account
	for n, line := range bytes.Split(data, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		hash, terms, err := parseKey(text)
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", k.path, n+1, err)
		}
		keys = append(keys, newAccount(hash, terms, old[hash]))
	}
	if len(keys) == 0 {
		return errors.New(k.path + ": no key in it")
	}
	k.keys = keys
	return nil
}

// parseKey reads a line: a key or its hash, and its terms.
func parseKey(line string) (hash [sha256.Size]byte, t terms, err error) {
	for {
		rest, last, ok := cutLast(line)
		name, value, _ := strings.Cut(last, "=")
		numbers := map[string]*int{"requests": &t.requests, "tokens": &t.tokens, "parallel": &t.parallel}
		if !ok || name != "name" && numbers[name] == nil {
			break
		}
		if name == "name" {
			t.name = value
		} else if *numbers[name], err = strconv.Atoi(value); err != nil || *numbers[name] < 1 {
			return hash, t, fmt.Errorf("%s=%.20q, want a whole number of 1 or more", name, value)
		}
		line = rest
	}
	text, hashed := strings.CutPrefix(line, "sha256:")
	if !hashed {
		return sha256.Sum256([]byte(line)), t, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != sha256.Size {
		return hash, t, errors.New("want sha256: and 64 hexadecimal digits, and behind it name=, requests=, tokens= or parallel=")
	}
	return [sha256.Size]byte(b), t, nil
}

// cutLast cuts a line before its last word, unless that is all of it.
func cutLast(line string) (rest, last string, ok bool) {
	i := strings.LastIndexAny(line, " \t")
	return strings.TrimSpace(line[:max(i, 0)]), line[i+1:], i > 0
}

// find returns the account of a key, nil if the file has none. It takes as long for one as for another. The error tells of a file that
// has changed and cannot be read; the keys are then those from before.
func (k *Keys) find(key string) (found *account, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.watch.changed() {
		err = k.read()
	}
	hash := sha256.Sum256([]byte(key))
	for _, a := range k.keys {
		if subtle.ConstantTimeCompare(hash[:], a.hash[:]) == 1 {
			found = cmp.Or(found, a)
		}
	}
	return found, err
}
