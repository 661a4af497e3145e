package model_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/param"
)

// TestSurvey asserts that a network without weights has the parameters of the same network with them.
func TestSurvey(t *testing.T) {
	four := func(_ param.ID, _ param.Tensor, shape []int) (int64, error) {
		n := int64(4)
		for _, d := range shape {
			n *= int64(d)
		}
		return n, nil
	}
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		got, err := g.Model.Config.Survey(four)
		if err != nil {
			t.Fatal(err)
		}
		want := g.Model.Sizes()
		for _, s := range []*model.Sizes{&got, &want} {
			// Some of the files have two bytes a parameter.
			s.Embedding.Bytes, s.Head.Bytes = 0, 0
			for i := range s.Layers {
				s.Layers[i].Bytes, s.Layers[i].ExpertBytes = 0, 0
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestSurveyErrors(t *testing.T) {
	layer := model.Layer{Mamba: &model.Mamba{DInner: 8, DState: 2, DConv: 4, DtRank: 2}}
	c := model.Config{VocabSize: 10, HiddenSize: 4, Layers: []model.Layer{layer}}
	wrong := errors.New("wrong")
	if _, err := c.Survey(func(param.ID, param.Tensor, []int) (int64, error) { return 0, wrong }); !errors.Is(err, wrong) {
		t.Errorf("error %v, want that of the function", err)
	}
	const most = 1 << 20
	c.HiddenSize = most
	c.Layers[0].MoE = &model.MoE{IntermediateSize: most, NumExperts: most, NumExpertsPerTok: 1}
	_, err := c.Survey(func(param.ID, param.Tensor, []int) (int64, error) { return 1, nil })
	if err == nil || !strings.Contains(err.Error(), "more than any machine holds") {
		t.Errorf("error %v", err)
	}
}
