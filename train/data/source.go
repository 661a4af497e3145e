package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"jamba/internal/bounded"
)

// Split says what a document is in a plain text file.
type Split string

// The ways to find documents in plain text.
const (
	SplitFile  Split = "file"      // the whole file
	SplitBlank Split = "blank"     // stretches between empty lines
	SplitEnd   Split = "endoftext" // stretches between <|endoftext|>
)

// Sources are files of documents. What a file holds is known by its ending and its beginning: .txt, .md, .rst, .tex and .log
// are plain text, .jsonl and .ndjson have an object a line, .json a list of objects or one after the other, .parquet rows;
// a name without an ending is what its content is. Other endings are an error unless their content is JSON or Parquet, and so
// is JSON that is named as plain text. The fields of objects and rows that are read are in docs/training.md. Any but Parquet may be
// compressed: .gz, .zst.
type Sources struct {
	Paths       []string
	Split       Split                   // SplitFile
	PlainText   bool                    // all files are plain text, whatever they are named and hold
	SkipCorrupt bool                    // go on after a document that cannot be read or used
	ReplaceUTF8 bool                    // put U+FFFD in the place of bytes that are not UTF-8; without it they are an error
	Corrupt     func(err error)         // told of what SkipCorrupt skips; may be nil
	Progress    func(done, total int64) // told of bytes read from the files, as they are on disk; may be nil
}

// Bounds on what a file may make us hold in memory.
const (
	maxLine     = 64 << 20 // bytes of a line of JSON
	maxDocument = 1 << 30  // bytes between two marks of a split text
)

// endOfText stands between documents in plain text.
const endOfText = "<|endoftext|>"

// Documents yields the documents, file by file. Those without text are left out. What cannot be read or used is an error
// that names file and line; it is the last thing that is yielded, unless SkipCorrupt is set and the file can be read on.
func (s *Sources) Documents(yield func(Document, error) bool) {
	if err := s.check(); err != nil {
		yield(Document{}, err)
		return
	}
	p := progress{report: s.Progress}
	for _, path := range s.Paths {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			kind := "no regular file"
			if info.IsDir() {
				kind = "a folder; name the files in it"
			}
			err = fmt.Errorf("%s: is %s", path, kind)
		}
		if err != nil {
			yield(Document{}, err)
			return
		}
		p.total += info.Size()
	}
	for _, path := range s.Paths {
		if !s.file(path, &p, yield) {
			return
		}
	}
	p.end()
}

func (s *Sources) check() error {
	if len(s.Paths) == 0 {
		return errors.New("no files are named")
	}
	switch s.Split {
	case "", SplitFile, SplitBlank, SplitEnd:
		return nil
	}
	return fmt.Errorf("split %q is not known; %s, %s and %s are", s.Split, SplitFile, SplitBlank, SplitEnd)
}

// Texts yields the texts of all documents: of a conversation, what its messages say. Documents that are ids have none.
func (s *Sources) Texts(yield func(string, error) bool) {
	for d, err := range s.Documents {
		switch {
		case err != nil:
			yield("", err)
			return
		case d.Chat != nil:
			for _, text := range contents(d.Chat) {
				if !yield(text, nil) {
					return
				}
			}
		case d.IDs == nil && !yield(d.Text, nil):
			return
		}
	}
}

// failed decides about an error: it returns whether to read on.
func (s *Sources) failed(err error, yield func(Document, error) bool) bool {
	if _, ok := errors.AsType[*corrupt](err); ok && s.SkipCorrupt {
		if s.Corrupt != nil {
			s.Corrupt(err)
		}
		return true
	}
	yield(Document{}, err)
	return false
}

// file yields the documents of one file and returns whether to go on.
func (s *Sources) file(path string, p *progress, yield func(Document, error) bool) bool {
	file, err := bounded.Open(path)
	if err != nil {
		yield(Document{}, err)
		return false
	}
	defer file.Close()
	f, r, done, err := s.open(path, file, p)
	defer done()
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	switch f.kind {
	case kindParquet:
		return s.parquet(path, file, p, yield)
	case kindLines:
		return s.lines(path, r, yield)
	case kindJSON:
		return s.json(path, r, yield)
	}
	return s.text(path, r, yield)
}

// lines yields the documents of a JSONL file.
func (s *Sources) lines(path string, r *bufio.Reader, yield func(Document, error) bool) bool {
	for n := 1; ; n++ {
		b, err := readLine(r, maxLine)
		if err == io.EOF {
			return true
		}
		if err == nil && len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		place := fmt.Sprintf("%s:%d", path, n)
		var d Document
		switch {
		case errors.Is(err, errTooLong):
		case err != nil: // the rest of the file is lost
			return s.failed(&corrupt{place, err}, yield)
		default:
			d, err = parseLine(b, s.ReplaceUTF8)
		}
		d.Place, d.bytes = place, len(b)
		switch {
		case err != nil:
			if !s.failed(&corrupt{place, err}, yield) {
				return false
			}
		case d.empty():
		case !yield(d, nil):
			return false
		}
	}
}

var errTooLong = errors.New("too long")

// readLine returns the next line without its end, which the next call overwrites. A line of more than limit bytes is
// passed over and errTooLong; io.EOF comes after the last line.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var long [][]byte // in parts: a slice that grows would leave as much behind
	length := 0
	for {
		part, err := r.ReadSlice('\n')
		length += len(part)
		if err == nil && length == len(part) {
			return bytes.TrimRight(part, "\r\n"), nil
		}
		if length <= limit {
			long = append(long, bytes.Clone(part))
		} else {
			long = nil
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && length == 0:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case length > limit:
			return nil, fmt.Errorf("line of %d bytes is %w, at most %d are read", length, errTooLong, limit)
		}
		return bytes.TrimRight(bytes.Join(long, nil), "\r\n"), nil
	}
}

// text yields the documents of a plain text file.
func (s *Sources) text(path string, r io.Reader, yield func(Document, error) bool) bool {
	if s.Split == SplitFile || s.Split == "" {
		return s.whole(path, r, yield)
	}
	end := &failure{r: r}
	scanner := bufio.NewScanner(end)
	scanner.Buffer(nil, maxDocument)
	begin, next := 1, 1 // lines at which the document and the one after it begin
	scanner.Split(func(b []byte, atEOF bool) (int, []byte, error) {
		if atEOF && end.err != nil {
			return 0, nil, end.err // the document is not whole
		}
		n, doc, err := s.cut(b, atEOF)
		begin, next = next, next+bytes.Count(b[:n], []byte("\n"))
		return n, doc, err
	})
	for scanner.Scan() {
		doc := scanner.Bytes()
		trimmed := bytes.TrimLeft(doc, "\r\n")
		begin += bytes.Count(doc[:len(doc)-len(trimmed)], []byte("\n"))
		if !s.plain(fmt.Sprintf("%s:%d", path, begin), string(bytes.TrimRight(trimmed, "\r\n")), yield) {
			return false
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return s.failed(&corrupt{fmt.Sprintf("%s:%d", path, next), errDocument}, yield)
	case err != nil:
		return s.failed(&corrupt{fmt.Sprintf("%s:%d", path, next), err}, yield)
	}
	return true
}

var errDocument = fmt.Errorf("document of more than %d bytes; --split blank or endoftext makes several of a file", maxDocument)

// longText is the size of the documents that are made of one long text.
const longText = 8 << 20

// whole yields a file as one document; a long one as several, cut at ends of lines: training cuts it into sequences in any
// case, and encoded in one piece it would take many times its size in memory.
func (s *Sources) whole(path string, r io.Reader, yield func(Document, error) bool) bool {
	b := make([]byte, 0, sniffed)
	for line := 1; ; {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		place := fmt.Sprintf("%s:%d", path, line)
		switch {
		case err == io.EOF:
			return s.plain(place, string(b), yield)
		case err != nil:
			return s.failed(&corrupt{place, err}, yield)
		case len(b) == cap(b) && len(b) < longText:
			b = slices.Grow(b, len(b))
		case len(b) == cap(b):
			end := endOfLine(b)
			if !s.plain(place, string(b[:end]), yield) {
				return false
			}
			line += bytes.Count(b[:end], []byte("\n"))
			b = b[:copy(b, b[end:])]
		}
	}
}

// endOfLine returns where to cut a text that goes on: after the last line, if it is not too long, else before the last
// character, which may not be whole.
func endOfLine(b []byte) int {
	half := len(b) / 2
	if i := bytes.LastIndexByte(b[half:], '\n'); i >= 0 {
		return half + i + 1
	}
	for i := len(b) - 1; i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			return i
		}
	}
	return len(b)
}

// plain yields a plain text, if it is not blank.
func (s *Sources) plain(place, text string, yield func(Document, error) bool) bool {
	text = strings.TrimPrefix(text, string(byteOrderMark)) // of files that were put together
	if strings.TrimSpace(text) == "" {
		return true
	}
	text, err := valid(text, s.ReplaceUTF8)
	if err != nil {
		return s.failed(&corrupt{place, err}, yield)
	}
	return yield(Document{Place: place, Text: text, bytes: len(text)}, nil)
}

// cut is the bufio.SplitFunc that finds the next document.
func (s *Sources) cut(b []byte, atEOF bool) (int, []byte, error) {
	end, length := -1, 0
	switch s.Split {
	case SplitEnd:
		end, length = bytes.Index(b, []byte(endOfText)), len(endOfText)
	case SplitBlank:
		end, length = blankLine(b)
	}
	switch {
	case end >= 0:
		return end + length, b[:end], nil
	case atEOF && len(b) > 0:
		return len(b), b, nil
	}
	return 0, nil, nil
}

// blankLine finds the end of the first line that an empty one follows, and the bytes of the two ends.
func blankLine(b []byte) (at, length int) {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1, 0
		}
		at += i
		rest := b[at+1:]
		if bytes.HasPrefix(rest, []byte("\n")) {
			return at, 2
		}
		if bytes.HasPrefix(rest, []byte("\r\n")) {
			return at, 3
		}
		at++
	}
}

// progress adds up what is read of all files.
type progress struct {
	report      func(done, total int64)
	done, total int64
}

func (p *progress) add(n int64) {
	p.done += n
	if p.report != nil && p.done < p.total {
		p.report(p.done, p.total)
	}
}

func (p *progress) end() {
	if p.report != nil {
		p.report(p.total, p.total)
	}
}

// counted is a reader that tells of its progress.
type counted struct {
	r io.Reader
	p *progress
	n int64 // bytes read
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.p.add(int64(n))
	return n, err
}

// What unpacks to more than mostUnpacked times its size, and to much, is made to fill the memory; text that people write does
// not come near it.
const (
	mostUnpacked = 200
	muchUnpacked = 16 << 20
)

// unpacked is a reader of a compressed file.
type unpacked struct {
	r    io.Reader
	from *counted
	n    int64
}

func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if u.n += int64(n); u.n > muchUnpacked && u.n > mostUnpacked*u.from.n {
		return 0, fmt.Errorf("unpacks to more than %d times its size; unpack it first if that is meant", mostUnpacked)
	}
	return n, err
}

// failure is a reader that keeps the error that ended it. It reads as much as there is room for: each time, a bufio.Scanner
// looks through all that it holds of a document, and decompressors give little at a time.
type failure struct {
	r   io.Reader
	err error // but io.EOF
}

func (f *failure) Read(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = f.r.Read(b[n:])
		n += m
	}
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
