// Package apitest compares the OpenAPI document with what the server is.
package apitest

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"jamba/serve/api"
)

var document = sync.OnceValues(func() (*openapi3.T, error) {
	data, err := api.Document("0.0.0")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

// Document returns the document.
func Document(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Fields expects a schema of the document to have the fields that JSON has for v's type, of the same kinds, and no others.
func Fields(t *testing.T, schema string, v any) {
	t.Helper()
	s := Document(t).Components.Schemas[schema]
	if s == nil {
		t.Fatalf("there is no schema %s", schema)
	}
	Same(t, schema, s.Value, reflect.TypeOf(v))
}

// Same expects the same of a schema and a type. at says where they are.
func Same(t *testing.T, at string, s *openapi3.Schema, ty reflect.Type) {
	t.Helper()
	for ty.Kind() == reflect.Pointer {
		ty = ty.Elem()
	}
	if ty.Implements(reflect.TypeFor[json.Unmarshaler]()) || reflect.PointerTo(ty).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return // it reads what it wants
	}
	kind := kindOf(ty)
	if s.Type == nil || !s.Type.Is(kind) {
		t.Errorf("serve/api/openapi.yaml: %s is %v, JSON is read as %s", at, s.Type, kind)
		return
	}
	switch kind {
	case "array":
		Same(t, at+"[]", s.Items.Value, ty.Elem())
	case "object":
		if ty.Kind() == reflect.Map {
			Same(t, at+".*", s.AdditionalProperties.Schema.Value, ty.Elem())
			return
		}
		fields := map[string]reflect.Type{}
		fieldsOf(ty, fields)
		for name, of := range fields {
			if p := s.Properties[name]; p == nil {
				t.Errorf("serve/api/openapi.yaml: %s does not have %s", at, name)
			} else {
				Same(t, at+"."+name, p.Value, of)
			}
		}
		for name, p := range s.Properties {
			if fields[name] == nil && p.Value.Description == "" {
				t.Errorf("serve/api/openapi.yaml: nobody reads %s.%s, and no description says why it is there", at, name)
			}
		}
	}
}

func kindOf(ty reflect.Type) string {
	switch ty.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "integer"
}

func fieldsOf(ty reflect.Type, fields map[string]reflect.Type) {
	for f := range ty.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			fieldsOf(f.Type, fields)
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
}

// Handler answers as h does, and fails the test if an answer is not as the document has it, or if a request was answered that should
// not have been.
func Handler(t testing.TB, h http.Handler) http.Handler {
	doc := Document(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked, told tail
		r.Body = body{io.TeeReader(r.Body, &asked), r.Body}
		writer := &recorder{ResponseWriter: w, status: http.StatusOK, told: &told}
		h.ServeHTTP(writer, r)
		item := doc.Paths.Value(path(doc, r.URL.Path))
		if item == nil || item.GetOperation(r.Method) == nil || r.Context().Err() != nil || asked.cut || told.cut {
			return
		}
		op := item.GetOperation(r.Method)
		response := op.Responses.Status(writer.status)
		if response == nil {
			response = op.Responses.Default()
		}
		kind, _, _ := mime.ParseMediaType(writer.Header().Get("Content-Type"))
		content := response.Value.Content[kind]
		if content == nil {
			t.Errorf("%s %s: the document knows no answer %d of type %q", r.Method, r.URL.Path, writer.status, kind)
			return
		}
		if kind == "application/json" {
			visit(t, "answer to "+r.URL.Path, content.Schema.Value, told.bytes)
		}
		if writer.status == http.StatusOK && op.RequestBody != nil && r.Header.Get("Content-Encoding") == "" {
			visit(t, "request for "+r.URL.Path, op.RequestBody.Value.Content["application/json"].Schema.Value, asked.bytes)
		}
	})
}

func visit(t testing.TB, what string, s *openapi3.Schema, data []byte) {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Errorf("%s: %v: %.300s", what, err, data)
	} else if err := s.VisitJSON(v, openapi3.MultiErrors()); err != nil {
		t.Errorf("%s: %v\n%.600s", what, err, data)
	}
}

// path returns the document's path for one of a request.
func path(doc *openapi3.T, p string) string {
	for _, p := range []string{p, "/v1" + p} {
		if doc.Paths.Value(p) != nil {
			return p
		}
		if strings.HasPrefix(p, "/v1/models/") {
			return "/v1/models/{id}"
		}
	}
	return p
}

// tail is what was read or written, if it is not too much.
type tail struct {
	bytes []byte
	cut   bool
}

func (t *tail) Write(b []byte) (int, error) {
	if t.cut = t.cut || len(t.bytes)+len(b) > 4<<20; !t.cut {
		t.bytes = append(t.bytes, b...)
	}
	return len(b), nil
}

type body struct {
	io.Reader
	io.Closer
}

type recorder struct {
	http.ResponseWriter
	status int
	told   *tail
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	_, _ = r.told.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
