package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Keys are the keys of a file that clients have to have one of. It has a key in each line, or sha256: and the hexadecimal SHA-256 of
// one; empty lines and those that begin with # are left out. When it changes it is read again.
type Keys struct {
	path string

	mu     sync.Mutex
	hashes [][sha256.Size]byte
	looked time.Time
	stamp  fileStamp
}

type fileStamp struct {
	changed time.Time
	size    int64
}

// OpenKeys reads a file of keys. It is an error if there is none in it.
func OpenKeys(path string) (*Keys, error) {
	k := &Keys{path: path}
	return k, k.read()
}

// maxKeys is how large a file of keys may be.
const maxKeys = 1 << 20

func (k *Keys) read() error {
	info, err := os.Stat(k.path)
	if err != nil {
		return err
	}
	if info.Size() > maxKeys {
		return fmt.Errorf("%s: %d bytes, a file of keys has at most %d", k.path, info.Size(), maxKeys)
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	var hashes [][sha256.Size]byte
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		hash := sha256.Sum256([]byte(line))
		if text, ok := strings.CutPrefix(line, "sha256:"); ok {
			b, err := hex.DecodeString(text)
			if err != nil || len(b) != sha256.Size {
				return fmt.Errorf("%s: line %d: want sha256: and 64 hexadecimal digits", k.path, n+1)
			}
			hash = [sha256.Size]byte(b)
		}
		hashes = append(hashes, hash)
	}
	if len(hashes) == 0 {
		return errors.New(k.path + ": no key in it")
	}
	k.hashes, k.stamp = hashes, fileStamp{info.ModTime(), info.Size()}
	return nil
}

// Has reports whether a key is one of the file's. It takes as long for one as for another.
func (k *Keys) Has(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) > time.Second {
		k.looked = now
		if info, err := os.Stat(k.path); err == nil && (fileStamp{info.ModTime(), info.Size()}) != k.stamp {
			_ = k.read() // a file that cannot be read leaves the keys as they were
		}
	}
	hash := sha256.Sum256([]byte(key))
	found := 0
	for _, own := range k.hashes {
		found |= subtle.ConstantTimeCompare(hash[:], own[:])
	}
	return found == 1
}
