package golden

import (
	"sync"
	"testing"

	"jamba/checkpoint"
	"jamba/model"
)

var checkpoints sync.Map // of models

// OpenModel is checkpoint.OpenModel, and remembers the checkpoint for From.
func OpenModel(path string, o checkpoint.Options) (*model.Model, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := c.Model(o)
	if err != nil {
		c.Close()
		return nil, err
	}
	checkpoints.Store(m, c)
	return m, nil
}

// From returns what a model was opened from.
func From(m *model.Model) *checkpoint.Checkpoint {
	c, _ := checkpoints.Load(m)
	return c.(*checkpoint.Checkpoint)
}

// OpenPrecision opens a model until the test ends.
func OpenPrecision(t *testing.T, path string, p model.Precision) *model.Model {
	t.Helper()
	return OpenWith(t, path, checkpoint.Options{Precision: p})
}

// OpenWith opens a model until the test ends.
func OpenWith(t *testing.T, path string, o checkpoint.Options) *model.Model {
	t.Helper()
	m, err := OpenModel(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
