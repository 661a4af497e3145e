package jamba_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"jamba"
	"jamba/checkpoint"
)

// sessionOf answers a prompt and returns the session as it is saved.
func sessionOf(t *testing.T, m *jamba.Model, o jamba.Options) []byte {
	t.Helper()
	s := m.NewSession()
	for _, err := range s.Generate(context.Background(), "Seven tree green, and the blue house", o) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := s.Save(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileSessions expects damaged, foreign and lying session files to be errors that say so, to take no memory for what is not
// there, and to leave nothing behind.
func TestHostileSessions(t *testing.T) {
	m := openStates(t, path, "")
	defer m.Close()
	good := sessionOf(t, m, jamba.Options{MaxTokens: 5})
	const head = len("jamba session 1\n") // then the number of tokens, the turn and the number of states
	n := int(binary.LittleEndian.Uint64(good[head:]))
	sum := head + 24 + 4*n
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		binary.LittleEndian.PutUint32(b[sum:], crc32.ChecksumIEEE(b[:sum])) // a liar computes that
		return b
	}
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty": {nil, "not a saved session"}, "text": {[]byte(strings.Repeat("jamba session 2\n", 9)), "not a saved session"},
		"head cut": {good[:head+9], "cut off"}, "tokens cut": {good[:head+30], "cut off"}, "state cut": {good[:len(good)-1000], "EOF"},
		"no tokens":     {change(func(b []byte) { binary.LittleEndian.PutUint64(b[head:], 0) }), "a session of 0 tokens"},
		"many tokens":   {change(func(b []byte) { binary.LittleEndian.PutUint64(b[head:], 4000) }), "cut off|checksum"},
		"huge":          {change(func(b []byte) { binary.LittleEndian.PutUint64(b[head:], 1<<63) }), "the model's context is"},
		"turn":          {change(func(b []byte) { binary.LittleEndian.PutUint64(b[head+8:], 1<<40) }), "damaged"},
		"states":        {change(func(b []byte) { binary.LittleEndian.PutUint64(b[head+16:], 1<<40) }), "damaged"},
		"another model": {change(func(b []byte) { b[sum+4+20] ^= 1 }), "another model"},
		"longer state":  {change(func(b []byte) { binary.LittleEndian.PutUint64(b[sum+4+14+64:], 4000) }), "tokens"},
		"shorter state": {change(func(b []byte) { binary.LittleEndian.PutUint64(b[sum+4+14+64:], 1) }), "checksum|state"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := m.NewSession().Load(bytes.NewReader(test.file))
		runtime.ReadMemStats(&after)
		ok := false
		for want := range strings.SplitSeq(test.want, "|") {
			ok = ok || err != nil && strings.Contains(err.Error(), want)
		}
		if !ok {
			t.Errorf("%s: error %v, want %s", name, err, test.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d bytes were allocated for a file of %d", name, n, len(test.file))
		}
	}
	for at := range len(good) {
		if at > 300 && at%97 != 0 {
			continue
		}
		b := bytes.Clone(good)
		b[at] ^= 0x10
		if _, err := m.NewSession().Load(bytes.NewReader(b)); err == nil {
			t.Errorf("a flipped bit at %d of %d is not found", at, len(good))
		}
	}
	// Ids that are no tokens come to light when they are used.
	s := m.NewSession()
	lies := change(func(b []byte) { copy(b[head+24:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}) })
	if _, err := s.Load(bytes.NewReader(lies)); err == nil {
		for _, err := range s.Generate(context.Background(), "Seven", jamba.Options{MaxTokens: 2}) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	if c := m.Counters(); c.StateBytes != c.Cache.Bytes {
		t.Errorf("%d bytes are in use, of which %d are kept", c.StateBytes, c.Cache.Bytes)
	}
}

// TestSessionsOfAdapters expects a session to be loaded for the adapter that it was saved with, and for no other.
func TestSessionsOfAdapters(t *testing.T) {
	m := openStates(t, path, "")
	defer m.Close()
	var adapters []*jamba.Adapter
	for seed := range uint64(2) {
		dir := t.TempDir()
		if err := newAdapter(dir, m, seed); err != nil {
			t.Fatal(err)
		}
		a, err := m.OpenAdapter(dir)
		if err != nil {
			t.Fatal(err)
		}
		adapters = append(adapters, a)
	}
	adapters = append(adapters, nil)
	for i, saved := range adapters {
		b := sessionOf(t, m, jamba.Options{MaxTokens: 5, Adapter: saved})
		for j, with := range adapters {
			_, err := m.NewSession().LoadWith(bytes.NewReader(b), jamba.Options{Adapter: with})
			if (err == nil) != (i == j) || err != nil && !strings.Contains(err.Error(), "another model") {
				t.Errorf("saved with adapter %d, loaded with %d: %v", i, j, err)
			}
		}
	}
	// One that the model was opened with counts as the model's own.
	dir := t.TempDir()
	var file []byte
	for seed := range uint64(2) {
		if err := newAdapter(dir, m, seed); err != nil { // in the same folder
			t.Fatal(err)
		}
		opened, err := jamba.OpenWith(path, jamba.OpenOptions{Options: checkpoint.Options{Precision: jamba.Fast, Adapter: dir}})
		if err != nil {
			t.Fatal(err)
		}
		if seed == 0 {
			file = sessionOf(t, opened, jamba.Options{MaxTokens: 5})
		} else if _, err := opened.NewSession().Load(bytes.NewReader(file)); err == nil {
			t.Error("what another adapter in the same folder has computed is taken")
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
}
