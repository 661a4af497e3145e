package serve

import (
	"strings"

	"jamba"
	"jamba/serve/models"
	"jamba/text/reply"
)

// served is a loaded model under a name, perhaps with an adapter, for one request.
type served struct {
	models.Model
	name     string
	base     string         // the name of the model without the adapter
	adapter  *jamba.Adapter // nil: none
	options  *Options
	format   *reply.Format // of calls of tools; nil: they are text
	show     []int32       // control tokens that thoughts are marked by
	showCall []int32       // and calls
}

// served returns the model that a request has.
func (s *Server) served(u *models.Use) *served {
	m := &served{Model: u.Model, name: u.Entry.Name, base: u.Entry.Base, adapter: u.Adapter, options: &s.options, format: s.options.format(u.Model)}
	m.show, m.showCall = reply.Control(m.Text().Tokenizer)
	return m
}

// format returns the format of a model's calls of tools, nil if they are text.
func (o *Options) format(m models.Model) *reply.Format {
	switch {
	case o.NoCalls:
		return nil
	case o.Calls != nil:
		return o.Calls
	}
	return reply.Of(m.Text().Templates)
}

// About returns what can be told of a model.
func (o *Options) About(m models.Model) models.About {
	a := models.About{Info: m.Info(), Calls: o.format(m) != nil}
	if m.CanChat() {
		if t, err := m.Text().Templates.Get("default"); err == nil {
			a.Template = t.Source()
			a.Thinks = strings.Contains(a.Template, "<think>") && !o.RawThoughts
		}
	}
	return a
}
