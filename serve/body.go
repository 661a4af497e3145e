package serve

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"jamba/serve/turn"
)

// patience is how long is waited for clients, who may take so long to send a request's header and body, and for the first event of a
// stream before its headers go out: what goes wrong at once has a status.
type patience struct {
	header, body, first time.Duration
}

// body reads the body of a request, which may be compressed; its bound counts for what it unpacks to.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := s.options.MaxBody
	tooLarge := &turn.Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the body is larger than the %d bytes that this server reads", limit)}
	if r.ContentLength > limit {
		return nil, tooLarge // not a byte of it is read
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.patience.body)) // a test's writer has none
	var in io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, turn.Invalid("", "the body is no gzip: %v", err)
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, turn.Invalid("", "the body is no zstd: %v", err)
		}
		defer z.Close()
		in = z
	default:
		return nil, &turn.Error{Status: http.StatusUnsupportedMediaType, Message: "Content-Encoding: only gzip and zstd are known"}
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if _, large := errors.AsType[*http.MaxBytesError](err); large || int64(len(data)) > limit {
		return nil, tooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &turn.Error{Status: http.StatusRequestTimeout, Message: "the body took too long to arrive"}
	}
	if err != nil {
		return nil, turn.Invalid("", "the body cannot be read: %v", err)
	}
	_ = control.SetReadDeadline(time.Time{}) // after an error it stays, else net/http waits for the rest of the body without end
	return data, nil
}
