package data

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// made returns a dataset of documents of those lengths; ids tell where they stand.
func made(t rapid.TB, path string, lengths []int) *Dataset {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(f, [32]byte{}, 1<<20)
	next := int32(0)
	for _, n := range lengths {
		var e encoded
		for range n {
			e.ids, e.trained = append(e.ids, next), append(e.trained, next%7 != 3)
			next++
		}
		if err := w.document(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := openDataset(path, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func epoch(t rapid.TB, it *Iterator) []Sequence {
	var all []Sequence
	for batch, err := range it.Rest(4) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	return all
}

// In every epoch every example comes once, in spans that do not cross documents and are cut at multiples of the length,
// in sequences that are not too long.
func TestEveryExampleOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tokens")
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 200).Draw(t, "lengths")
		p := Packing{Length: rapid.IntRange(1, 40).Draw(t, "length"), Seed: rapid.Uint64().Draw(t, "seed"), NoShuffle: rapid.Bool().Draw(t, "ordered")}
		d := made(t, path, lengths)
		defer d.Close()
		it, err := d.All().Iterator(p)
		if slices.Max(lengths) < 2 {
			if err == nil {
				t.Fatal("nothing can be iterated over")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		inputs := map[int32]int{} // input → its document's first
		first, document := int32(0), map[int32]int32{}
		for _, n := range lengths {
			for i := range n {
				document[first+int32(i)] = first
			}
			first += int32(n)
		}
		for e := range 2 {
			clear(inputs)
			before := int32(-1)
			for _, s := range epoch(t, it) {
				if s.Tokens() > p.Length || s.Tokens() == 0 {
					t.Fatalf("sequence of %d, want 1 to %d", s.Tokens(), p.Length)
				}
				for _, span := range s {
					if off := int(span.IDs[0] - document[span.IDs[0]]); off%p.Length != 0 {
						t.Fatalf("a piece begins at %d of its document", off)
					}
					for i, id := range span.IDs {
						inputs[id]++
						want := id + 1
						if want%7 == 3 {
							want = Ignore
						}
						if span.Targets[i] != want || document[id] != document[span.IDs[0]] {
							t.Fatalf("target of %d is %d, want %d", id, span.Targets[i], want)
						}
						if p.NoShuffle && id <= before {
							t.Fatalf("%d comes after %d", id, before)
						}
						before = id
					}
				}
			}
			if got := it.Position(); got != (Position{e + 1, 0}) {
				t.Fatalf("position %+v after epoch %d", got, e)
			}
			for id := range first {
				want := 1
				if _, ok := document[id+1]; !ok || document[id+1] != document[id] {
					want = 0 // the last of a document predicts nothing
				}
				if inputs[id] != want {
					t.Fatalf("example %d comes %d times", id, inputs[id])
				}
			}
			if err := it.Seek(it.Position()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Going on from a position gives what would have come, and the seed and the epoch decide what that is.
func TestSeek(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tokens")
	lengths := make([]int, 60)
	for i := range lengths {
		lengths[i] = 2 + i*7%50
	}
	d := made(t, path, lengths)
	defer d.Close()
	iterator := func(seed uint64) *Iterator {
		it, err := d.All().Iterator(Packing{Length: 32, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	next := func(it *Iterator, n int) Batch {
		b, err := it.Next(n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	it := iterator(1)
	first := next(it, it.Len())
	if reflect.DeepEqual(first, next(it, len(first))) {
		t.Error("two epochs are the same")
	}
	if reflect.DeepEqual(first, next(iterator(2), len(first))) {
		t.Error("two seeds are the same")
	}
	if !reflect.DeepEqual(first, next(iterator(1), len(first))) {
		t.Error("the same seed is not the same")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := iterator(3), iterator(3)
		next(a, rapid.IntRange(0, 150).Draw(t, "consumed"))
		if err := b.Seek(a.Position()); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(next(a, 20), next(b, 20)) {
			t.Fatalf("after %+v", a.Position())
		}
	})
	for want, p := range map[string]Position{"negative": {-1, 0}, "are the data": {0, 1 << 20}} {
		if err := iterator(1).Seek(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Sequences are nearly full.
func TestPackingIsTight(t *testing.T) {
	lengths := make([]int, 3000)
	for i := range lengths {
		lengths[i] = 2 + i*i*31%400
	}
	d := made(t, filepath.Join(t.TempDir(), "x.tokens"), lengths)
	defer d.Close()
	it, err := d.All().Iterator(Packing{Length: 256})
	if err != nil {
		t.Fatal(err)
	}
	if full := float64(d.All().Examples()) / float64(256*it.Len()); full < 0.98 {
		t.Errorf("sequences are filled to %.3f", full)
	}
}

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	lengths := make([]int, 4000)
	for i := range lengths {
		lengths[i] = 5
	}
	d := made(t, filepath.Join(dir, "x"), lengths)
	defer d.Close()
	train, validation := d.Split(0.1)
	if got := float64(validation.Documents()) / 4000; math.Abs(got-0.1) > 0.02 || train.Documents()+validation.Documents() != 4000 {
		t.Errorf("%v to validate with", got)
	}
	// Documents stay on their side when others come.
	more := made(t, filepath.Join(dir, "y"), append(slices.Clone(lengths), 9, 9, 9))
	defer more.Close()
	_, again := more.Split(0.1)
	if !slices.Equal(again.documents[:validation.Documents()], validation.documents) {
		t.Error("documents changed sides")
	}
	if all := d.All(); all.Documents() != 4000 || all.Examples() != 16000 {
		t.Error(all.Documents(), all.Examples())
	}
}
