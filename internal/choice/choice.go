// Package choice has the machine choose between kernels that compute the same bits: it measures once for each processor and
// tier which are faster, and keeps what came out in the folder of cachedir.
package choice

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"jamba/internal/bounded"
	"jamba/internal/cachedir"
	"jamba/internal/durable"
	"jamba/internal/kernel"
)

// version is to change with the kernels: what was measured of others does not count.
const version = 3

// record is what was measured, as the file has it.
type record struct {
	key
	Measured string        `json:"measured"` // the day
	Rows     kernel.Choice `json:"rows"`
}

// key is what a record is of.
type key struct {
	Version   int    `json:"version"`
	Processor string `json:"processor"`
	Tier      string `json:"tier"`
}

const day = "2006-01-02"

// known are the records that this process has in use, by tier.
var (
	mu    sync.Mutex
	known = map[string]record{}
)

// Use has the kernels in use choose as was measured before on this machine; if nothing was and the tier is the best that the
// processor has, it measures now, within a moment. It does nothing if the cache is off. It is for the time before matrices
// are packed: others stay as they are.
func Use() { use(kernel.BestTier()) }

// Load is Use without measuring.
func Load() { use(false) }

func use(measuring bool) {
	mu.Lock()
	defer mu.Unlock()
	if r, ok := known[kernel.Tier()]; ok && r.install() == nil { // another tier may have been in use since
		return
	}
	path, err := file(here())
	if errors.Is(err, cachedir.ErrOff) {
		return
	}
	if err == nil {
		if r, err := read(path); err == nil && r.install() == nil {
			return
		}
	}
	if measuring {
		measure()
	}
}

// Measure measures with the tier in use, whatever was known.
func Measure() {
	mu.Lock()
	defer mu.Unlock()
	measure()
}

// measure measures. What cannot be kept is measured again by the next process; nothing depends on it.
func measure() {
	rows, ok := kernel.MeasureChoice()
	if !ok {
		return
	}
	r := record{here(), time.Now().Format(day), rows}
	if r.install() == nil {
		_ = r.write()
	}
}

// InUse says in a line what is chosen and since when; "" if there is nothing to choose.
func InUse() string {
	mu.Lock()
	defer mu.Unlock()
	ways := kernel.Chosen().String()
	r, ok := known[kernel.Tier()]
	switch {
	case ways == "":
		return ""
	case !ok:
		return ways + "; not measured"
	default:
		return ways + "; measured on this machine " + r.Measured
	}
}

// here is the key of this machine and tier.
func here() key { return key{version, cmp.Or(processor(), "unknown"), kernel.Tier()} }

// file returns where the record of a key is kept.
func file(k key) (string, error) {
	dir, err := cachedir.Make("kernels")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%s", k.Version, k.Processor, k.Tier))
	return filepath.Join(dir, fmt.Sprintf("%s-%x.json", strings.ReplaceAll(k.Tier, "+", "-"), sum[:8])), nil
}

// read returns the record in a file. It is an error if it is not of this machine, tier and version.
func read(path string) (r record, err error) {
	b, err := bounded.ReadFile(path, 1<<12)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	if r.key != here() {
		return r, fmt.Errorf("%s: of another machine or version", path)
	}
	_, err = time.Parse(day, r.Measured)
	return r, err
}

// install puts r in use. It is an error if it is not of these kernels.
func (r record) install() error {
	err := r.Rows.Install()
	if err == nil {
		known[r.Tier] = r
	}
	return err
}

func (r record) write() error {
	path, err := file(r.key)
	if err != nil {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
}
