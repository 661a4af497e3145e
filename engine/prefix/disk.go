package prefix

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jamba/internal/durable"
	"jamba/model/state"
)

// DiskOptions say what a Disk is of.
type DiskOptions struct {
	Model [32]byte    // a hash of the weights and of what else decides a state's numbers
	Limit int64       // bytes of all files; 0: none
	Warn  func(error) // told of files that are not used, and of what cannot be written; nil: nobody. It must not come back to the Disk
}

// Disk is a folder of snapshots, which outlive the program. They are written in the background, each as a whole or not at
// all. The least recently used go first; those of other models count, too. Of damaged or strange files it warns, and uses
// none of them.
type Disk struct {
	dir     string
	options DiskOptions
	lock    *os.File

	jobs   chan *job
	ended  chan struct{}
	closed bool // of the Cache's goroutine

	pending atomic.Int64 // snapshots that wait to be written or are being

	mu      sync.Mutex
	files   map[string]*file // by name
	bytes   int64            // of files
	written []*job           // not taken up into the tree yet
	stats   DiskStats
}

// DiskStats are what is on the disk, and counts since the beginning.
type DiskStats struct {
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"`
	Hits   int64 `json:"hits"`
	Writes int64 `json:"writes"`
	Drops  int64 `json:"drops"`  // not written, because too many waited
	Errors int64 `json:"errors"` // files that could not be read or written
}

// file is a snapshot on the disk.
type file struct {
	name string
	size int64
	used time.Time
	gone bool
	good bool  // its header is
	book *book // until it is taken up into the tree; nil after that, and if it is of another model
}

// job is a snapshot that is to be written.
type job struct {
	book  *book
	root  Root
	node  *node // to be told, if it is still there
	state *state.State
	file  *file // once it is written
}

const (
	filePrefix = "prefix-"
	fileSuffix = ".state"
	// queue is how many snapshots wait to be written: their memory is not free until they are.
	queue = 16
)

// OpenDisk opens a folder, which it makes if need be and which is this program's alone until Close. Only the headers of the
// files in it are read.
func OpenDisk(dir string, o DiskOptions) (*Disk, error) {
	lock, err := durable.Lock(dir)
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, options: o, lock: lock, jobs: make(chan *job, queue), ended: make(chan struct{}), files: map[string]*file{}}
	if err := d.index(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d.trim(0)
	go d.write()
	return d, nil
}

// index reads the headers of all files.
func (d *Disk) index() error {
	if err := durable.Clean(d.dir, filePrefix); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, filePrefix) || !strings.HasSuffix(name, fileSuffix) {
			continue // not ours
		}
		b, _, opened, err := openBook(filepath.Join(d.dir, name), name, d.options.Model)
		good := err == nil
		if good {
			opened.Close()
		} else if !errors.Is(err, errOtherModel) {
			d.warn(fileError(name, err))
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		d.files[name] = &file{name: name, size: info.Size(), used: info.ModTime(), good: good, book: b}
		d.bytes += info.Size()
	}
	return nil
}

func (d *Disk) warn(err error) {
	d.stats.Errors++
	if d.options.Warn != nil {
		d.options.Warn(err)
	}
}

// trim removes the files that were not used for the longest time, until more bytes can be added.
func (d *Disk) trim(more int64) {
	if d.options.Limit <= 0 || d.bytes+more <= d.options.Limit {
		return
	}
	all := make([]*file, 0, len(d.files))
	for _, f := range d.files {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, f := range all {
		if d.bytes+more <= d.options.Limit {
			break
		}
		d.remove(f)
	}
}

// remove removes a file. One that cannot be removed is not tried again before the next start.
func (d *Disk) remove(f *file) {
	if f.gone {
		return
	}
	f.gone = true
	delete(d.files, f.name)
	d.bytes -= f.size
	if err := os.Remove(filepath.Join(d.dir, f.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.warn(err)
	}
}

// offer hands a snapshot's Fork to the writer, if it has room; else it is freed.
func (d *Disk) offer(j *job) bool {
	if !d.closed {
		d.pending.Add(1)
		select {
		case d.jobs <- j:
			return true
		default:
			d.pending.Add(-1)
		}
	}
	j.state.Free()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.Drops++
	return false
}

// abandon frees the snapshots that wait to be written, because their memory is needed.
func (d *Disk) abandon() {
	for {
		select {
		case j, ok := <-d.jobs:
			if !ok {
				return
			}
			j.state.Free()
			d.pending.Add(-1)
			j.node.spilled = false
			d.mu.Lock()
			d.stats.Drops++
			d.mu.Unlock()
		default:
			return
		}
	}
}

// errTooLarge is of a snapshot that the limit has no room for.
var errTooLarge = errors.New("larger than the limit")

// write is the goroutine that writes.
func (d *Disk) write() {
	defer close(d.ended)
	for j := range d.jobs {
		name := j.book.name(d.options.Model)
		f := &file{name: name, used: time.Now(), good: true}
		d.mu.Lock()
		old := d.files[name]
		if old != nil && !old.good {
			d.remove(old)
			old = nil
		}
		d.mu.Unlock()
		var err error
		if old == nil {
			err = durable.WriteFile(filepath.Join(d.dir, name), func(w *os.File) error { return d.fill(w, f, j) })
		} else {
			f = old
		}
		j.state.Free()
		d.pending.Add(-1)
		d.mu.Lock()
		switch {
		case err == nil:
			if old == nil {
				d.files[name] = f
				d.stats.Writes++
			}
			j.file = f
		case old == nil:
			d.bytes -= f.size
			if !errors.Is(err, errTooLarge) {
				d.warn(err)
			}
		}
		d.written = append(d.written, j)
		d.mu.Unlock()
	}
}

// fill writes a file and makes room for it. Its bytes count from then on.
func (d *Disk) fill(w *os.File, f *file, j *job) error {
	if err := writeBook(w, j.book, j.state, d.options.Model); err != nil {
		return err
	}
	info, err := w.Stat()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if limit := d.options.Limit; limit > 0 && info.Size() > limit {
		return errTooLarge
	}
	d.trim(info.Size())
	f.size = info.Size()
	d.bytes += f.size
	return nil
}

// load reads a file's snapshot into the arena. A file that is no good is removed, which one that only does not fit in is
// not.
func (d *Disk) load(f *file, arena *state.Arena) (*state.State, error) {
	if !d.there(f) {
		return nil, os.ErrNotExist
	}
	s, err := load(filepath.Join(d.dir, f.name), f.name, d.options.Model, arena)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if !errors.Is(err, state.ErrFull) && !f.gone { // another file may have taken its room
			d.warn(fileError(f.name, err))
			d.remove(f)
		}
		return nil, err
	}
	d.stats.Hits++
	f.used = time.Now()
	_ = os.Chtimes(filepath.Join(d.dir, f.name), f.used, f.used) // it is a hint for the next start
	return s, nil
}

// there reports whether a file is still there.
func (d *Disk) there(f *file) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !f.gone
}

// take returns what is on a shelf and in no tree yet.
func (d *Disk) take(s shelf) (files []*file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.book != nil && f.book.shelf == s {
			files = append(files, f)
		}
	}
	return files
}

// finished returns the jobs that were done since the last call.
func (d *Disk) finished() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.written
	d.written = nil
	return all
}

// Stats returns what is on the disk. It may be called by any goroutine.
func (d *Disk) Stats() DiskStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Files, s.Bytes = len(d.files), d.bytes
	return s
}

// close waits until all that was offered is written, and gives the folder free.
func (d *Disk) close() error {
	d.closed = true
	close(d.jobs)
	<-d.ended
	return d.lock.Close()
}
