package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"

	"jamba/internal/printable"
)

// Kinds of files.
const (
	kindText    = "text"
	kindLines   = "jsonl" // an object a line
	kindJSON    = "json"  // objects, in a list or one after the other
	kindParquet = "parquet"
)

// endings are those of which it is known what is in such a file.
var endings = map[string]string{
	".txt": kindText, ".text": kindText, ".md": kindText, ".markdown": kindText, ".rst": kindText, ".tex": kindText, ".log": kindText,
	".jsonl": kindLines, ".ndjson": kindLines, ".jsonlines": kindLines, ".json": kindJSON, ".parquet": kindParquet, ".pq": kindParquet,
}

const knownEndings = ".txt, .md, .rst, .tex and .log are plain text, .jsonl, .ndjson and .json hold objects, .parquet rows"

// format is what a file's name says of it.
type format struct {
	kind        string // "": nothing
	ending      string // if the kind is not known by it
	compression string // "", gz or zst
}

func formatOf(path string) format {
	var f format
	base := strings.ToLower(filepath.Base(path))
	for _, c := range []string{"gz", "zst"} {
		if inner, ok := strings.CutSuffix(base, "."+c); ok {
			base, f.compression = inner, c
		}
	}
	ending := filepath.Ext(base)
	if f.kind = endings[ending]; f.kind == "" {
		f.ending = ending
	}
	return f
}

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	magics        = []struct{ bytes, name string }{
		{"%PDF-", "a PDF file"},
		{"PK\x03\x04", "a zip file, as office documents and e-books are"},
		{"\xff\xfe", "UTF-16 text"},
		{"\xfe\xff", "UTF-16 text"},
		{"BZh", "a bzip2 file"},
		{"\xfd7zXZ\x00", "an xz file"},
		{"GGUF", "a GGUF file"},
		{"SQLite format 3\x00", "an SQLite file"},
		{"version https://git-lfs", "a Git LFS pointer and not the file itself"},
	}
)

// sniffed is how much of a file is looked at to know what it holds.
const sniffed = 1 << 16

// open finds out what a file holds, by its name and how it begins. r gives its text, without a byte order mark.
func (s *Sources) open(path string, file *os.File, p *progress) (f format, r *bufio.Reader, done func(), err error) {
	f, done = formatOf(path), func() {}
	packed := &counted{r: file, p: p}
	r = bufio.NewReaderSize(packed, sniffed)
	switch head, _ := r.Peek(4); {
	case f.compression != "":
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		f.compression = "gz"
	case string(head) == "\x28\xb5\x2f\xfd":
		f.compression = "zst"
	}
	switch f.compression {
	case "gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return f, nil, done, err
		}
		r = bufio.NewReaderSize(&unpacked{r: z, from: packed}, sniffed)
	case "zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return f, nil, done, err
		}
		r, done = bufio.NewReaderSize(&unpacked{r: z, from: packed}, sniffed), z.Close
	}
	head, err := r.Peek(sniffed)
	if err != nil && err != io.EOF && len(head) == 0 {
		return f, nil, done, err
	}
	whole := err == io.EOF
	if bytes.HasPrefix(head, byteOrderMark) {
		head = head[len(byteOrderMark):]
		if _, err := r.Discard(len(byteOrderMark)); err != nil {
			return f, nil, done, err
		}
	}
	f.kind, err = s.kind(f, head, whole)
	return f, r, done, err
}

// kind tells what a file of that name holds, which begins with head.
func (s *Sources) kind(f format, head []byte, whole bool) (string, error) {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.bytes)) && (!s.PlainText || m.name == "UTF-16 text") {
			return "", fmt.Errorf("is %s; want UTF-8 text, objects or Parquet", m.name)
		}
	}
	if s.PlainText {
		return kindText, nil
	}
	parquet := bytes.HasPrefix(head, []byte("PAR1"))
	switch {
	case parquet && f.compression != "":
		return "", errors.New("is Parquet, which is compressed within; unpack it")
	case parquet || f.kind == kindParquet:
		return kindParquet, nil
	}
	if i := bytes.IndexByte(head, 0); i >= 0 {
		return "", fmt.Errorf("byte %d is 0: it is UTF-16 or no text; --plain-text takes it as it is", i)
	}
	objects := holdsJSON(head, whole)
	switch {
	case f.kind == kindLines && !listOrSpread(head):
		return kindLines, nil
	case f.kind == kindLines || f.kind == kindJSON:
		return kindJSON, nil
	case objects && f.kind == kindText:
		return "", errors.New("holds JSON, which would be learned with all its braces: name it .jsonl or .json for its documents to be read, or say --plain-text")
	case objects:
		return kindJSON, nil
	case f.kind == kindText || f.ending == "":
		return kindText, nil
	}
	return "", fmt.Errorf("the ending %s is not known: %s, all but .parquet perhaps with .gz or .zst; name it so, or say --plain-text if it is to be learned as it stands", printable.Cut(f.ending, 32), knownEndings)
}

// listOrSpread tells whether what is named as an object a line is a list, or one object over several lines.
func listOrSpread(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	line, _, more := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimSpace(line)
	return bytes.HasPrefix(line, []byte("[")) && !json.Valid(line) || bytes.HasPrefix(line, []byte("[")) && !more || more && (string(line) == "{" || string(line) == "[")
}

// objectLine is the beginning of a line with an object, whole or broken, in JSON or as Python prints it.
var objectLine = regexp.MustCompile(`(?m)^[ \t]*\[?[ \t]*\{[ \t]*("[^"\n]{1,100}"|'[^'\n]{1,100}')[ \t]*:`)

// objectLines tells whether every other line, or the first, is an object, whatever stands between.
func objectLines(head []byte) bool {
	at := objectLine.FindAllIndex(head, -1)
	lines := 0
	for line := range bytes.Lines(head) {
		if len(bytes.TrimSpace(line)) > 0 {
			lines++
		}
	}
	return len(at) > 0 && (at[0][0] == 0 || 2*len(at) >= lines)
}

// holdsJSON tells whether what begins with head is JSON, as far as can be seen: lists or objects, and nothing between.
func holdsJSON(head []byte, whole bool) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if objectLines(head) {
		return true
	}
	if len(head) == 0 || head[0] != '{' && head[0] != '[' {
		return false
	}
	if line, _, ok := bytes.Cut(head, []byte("\n")); ok && head[0] == '{' && len(bytes.TrimSpace(line)) > 2 && json.Valid(line) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(head))
	for depth := 0; ; {
		t, err := d.Token()
		switch {
		case err == io.EOF:
			return depth == 0 || !whole
		case errors.Is(err, io.ErrUnexpectedEOF):
			return !whole
		case err != nil:
			return false
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 0 {
				return false
			}
		}
	}
}
