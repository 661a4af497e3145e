package chat_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"jamba/internal/testutil"
	"jamba/jinja"
	"jamba/text/chat"
)

// families is testdata/families.json.gz, which testdata/make_families.py makes with the reference.
type families struct {
	Templates map[string]string
	Requests  []string // JSON texts
	Cases     [][4]any // template, request, text or nil, error or nil
}

// TestFamilies renders random conversations with templates in the manner of many model families.
func TestFamilies(t *testing.T) {
	all := testutil.GzipJSON[families](t, "testdata/families.json.gz")
	if len(all.Templates) < 40 || len(all.Cases) < 1300 {
		t.Fatalf("%d templates, %d cases", len(all.Templates), len(all.Cases))
	}
	tokens, clock := goldenTokens(t), jinja.Options{Now: goldenTime}
	for _, c := range all.Cases {
		name, at := c[0].(string), int(c[1].(float64))
		tmpl, err := chat.FromString(name, all.Templates[name], tokens)
		if err != nil {
			t.Fatal(err)
		}
		var r chat.Request
		var text string
		if err = json.Unmarshal([]byte(all.Requests[at]), &r); err == nil {
			text, err = tmpl.WithOptions(clock).Render(r)
		}
		want, _ := c[2].(string)
		refused, fails := c[3].(string)
		switch raised, ok := errors.AsType[*jinja.RaisedError](err); {
		case fails != (err != nil), text != want:
			t.Errorf("%s, request %d:\n got %q %v\nwant %q %s\n%s", name, at, text, err, want, refused, all.Requests[at])
		case strings.HasPrefix(refused, "TemplateError: ") && (!ok || raised.Message != strings.TrimPrefix(refused, "TemplateError: ")):
			t.Errorf("%s, request %d: got %v, want %s", name, at, err, refused)
		}
	}
}

// goldenTime is the time that the goldens were made at.
func goldenTime() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 7008000, time.UTC) }
