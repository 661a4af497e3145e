package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"jamba/text/chat"
)

// textRow and chatRow are what is read of a row of a Parquet file.
type (
	textRow struct {
		Text *string `parquet:"text,optional"`
	}
	chatRow struct {
		Messages []chatMessage `parquet:"messages,list"`
	}
	chatMessage struct {
		Role    string  `parquet:"role,optional"`
		Content *string `parquet:"content,optional"`
	}
)

// parquet yields the documents of a Parquet file: a row each, of the column messages or, if there is none, text.
func (s *Sources) parquet(path string, file *os.File, p *progress, yield func(Document, error) bool) bool {
	info, err := file.Stat()
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	f, err := openParquet(file, info.Size())
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	part := 0.0
	if n := f.NumRows(); n > 0 {
		part = float64(info.Size()) / float64(n)
	}
	column := func(name ...string) bool {
		_, ok := f.Schema().Lookup(name...)
		return ok
	}
	var ok bool
	switch {
	case column("messages", "list", "element", "role") && column("messages", "list", "element", "content"):
		ok = rows(s, path, f, yield, func(r chatRow) (Document, error) {
			if len(r.Messages) == 0 {
				return Document{}, nil
			}
			messages, size := make([]chat.Message, len(r.Messages)), 0
			for i, m := range r.Messages {
				if m.Content == nil {
					return Document{}, fmt.Errorf("messages[%d].content: null, want a string", i)
				}
				content, err := valid(*m.Content, s.ReplaceUTF8)
				if err != nil {
					return Document{}, fmt.Errorf("messages[%d].content: %w", i, err)
				}
				messages[i] = chat.Message{Role: m.Role, Content: content}
				size += len(m.Role) + len(content)
			}
			r2 := chat.NewRequest(messages...)
			r2.AddGenerationPrompt = false
			return Document{Chat: &r2, bytes: size}, nil
		}, func() { p.add(int64(part)) })
	case column("text"):
		ok = rows(s, path, f, yield, func(r textRow) (Document, error) {
			if r.Text == nil {
				return Document{}, nil
			}
			text, err := valid(*r.Text, s.ReplaceUTF8)
			return Document{Text: text, bytes: len(text)}, err
		}, func() { p.add(int64(part)) })
	default:
		ok = s.failed(&corrupt{path, fmt.Errorf("no column text, and no column messages that is a list of role and content; the schema is %.500s", f.Schema())}, yield)
	}
	return ok
}

// openParquet opens a file that the library may not be prepared for.
func openParquet(r io.ReaderAt, size int64) (f *parquet.File, err error) {
	defer recoverError(&err)
	// The library allocates as much as the end of the file asks for: the footer's length, and PAR1.
	var end [8]byte
	if _, err := r.ReadAt(end[:], max(0, size-8)); err != nil {
		return nil, fmt.Errorf("no Parquet file: %w", err)
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); string(end[4:]) != "PAR1" || n > size-12 {
		return nil, fmt.Errorf("broken: the end of the file's %d bytes asks for a footer of %d", size, n)
	}
	return parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
}

func recoverError(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("broken: %v", r)
	}
}

// rows yields the documents that convert makes of the rows.
func rows[T any](s *Sources, path string, f *parquet.File, yield func(Document, error) bool, convert func(T) (Document, error), read func()) bool {
	reader, err := newReader[T](f)
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	defer reader.Close()
	batch := make([]T, 16)
	for row := 1; ; {
		clear(batch)
		n, err := readRows(reader, batch)
		for _, r := range batch[:n] {
			place := fmt.Sprintf("%s: row %d", path, row)
			row++
			read()
			d, err := convert(r)
			d.Place = place
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
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return true
		}
		if err != nil { // the rest of the file is lost
			return s.failed(&corrupt{fmt.Sprintf("%s: row %d", path, row), err}, yield)
		}
	}
}

func newReader[T any](f *parquet.File) (r *parquet.GenericReader[T], err error) {
	defer recoverError(&err)
	return parquet.NewGenericReader[T](f), nil
}

func readRows[T any](r *parquet.GenericReader[T], batch []T) (n int, err error) {
	defer recoverError(&err)
	return r.Read(batch)
}
