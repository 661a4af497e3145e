package model_test

import (
	"sync"

	"jamba/checkpoint"
	"jamba/model"
)

var checkpoints sync.Map // of models

// openModel is checkpoint.OpenModel, and remembers the checkpoint for from.
func openModel(path string, o checkpoint.Options) (*model.Model, error) {
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

// from returns what a model was opened from.
func from(m *model.Model) *checkpoint.Checkpoint {
	c, _ := checkpoints.Load(m)
	return c.(*checkpoint.Checkpoint)
}
