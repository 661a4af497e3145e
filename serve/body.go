package serve

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"

	"jamba/serve/turn"
)

// bodyTime is how long a client may take to send a request.
const bodyTime = time.Minute

// body reads the body of a request, which may be compressed; its bound counts for what it unpacks to.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a test's writer has none
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	limit := s.options.MaxBody
	var in io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch kind := r.Header.Get("Content-Encoding"); kind {
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
		return nil, &turn.Error{Status: http.StatusRequestEntityTooLarge, Message: "the body is larger than this server reads"}
	}
	if err != nil {
		return nil, turn.Invalid("", "the body cannot be read: %v", err)
	}
	return data, nil
}
