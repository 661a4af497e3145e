package loop

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jamba/internal/chart"
	"jamba/train"
	"jamba/train/data"
)

func TestToBatch(t *testing.T) {
	const no = data.Ignore
	got, targets := toBatch(data.Batch{
		{{IDs: []int32{1, 2, 3}, Targets: []int32{2, 3, 4}}, {IDs: []int32{5, 6}, Targets: []int32{no, no}}, {IDs: []int32{8}, Targets: []int32{9}}},
		{{IDs: []int32{7, 8}, Targets: []int32{no, 9}}},
	})
	want := &train.Batch{
		Tokens: [][]int32{{1, 2, 3, 4, 5, 6, 8, 9}, {7, 8, 9}},
		Labels: [][]int32{{no, 2, 3, 4, no, no, no, 9}, {no, no, 9}},
		Starts: [][]int{{4, 6}, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" || targets != 5 {
		t.Error(targets, diff)
	}
}

// A log keeps what was before a step, whatever a killed run left behind.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, logFile)
	text := `{"step":0,"loss":3}
{"step":0,"loss":
{"step":1,"loss":2.5,"layers":[{"out":1}]}
{"step":2,"val_loss":2.2,"bits_per_byte":1}
{"step":2,"loss":2}
{"step":3,"val_loss":2}
{"step":3,"lo`
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := openLog(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.step(StepLine{Step: 2, Loss: 1}); err != nil {
		t.Fatal(err)
	}
	l.f.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, i := range []int{0, 2, 3} {
		want = append(want, strings.Split(text, "\n")[i])
	}
	want = append(want, `{"step":2,"loss":1,"ce_loss":0,"aux_loss":0,"grad_norm":0,"lr":0,"tokens_per_s":0}`, "")
	if diff := cmp.Diff(want, strings.Split(string(b), "\n")); diff != "" {
		t.Error(diff)
	}
	// The log of another program stays as it is.
	other := []byte(`{"step":1,"eval":3}` + "\n")
	if err := os.WriteFile(path, other, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(dir, 0); err == nil || !strings.Contains(err.Error(), "log.jsonl: is the log of something else") {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != string(other) {
		t.Errorf("%s, %v", b, err)
	}
	if !slices.Equal(l.losses, []point{{0, 3}, {1, 2.5}, {2, 1}}) || !slices.Equal(l.val, []point{{2, 2.2}}) {
		t.Error(l.losses, l.val)
	}
}

// A chart has ink of both lines within its bounds, whatever the losses.
func TestChart(t *testing.T) {
	path := filepath.Join(t.TempDir(), chartFile)
	var l runLog
	rapid.Check(t, func(t *rapid.T) {
		l = runLog{}
		first := rapid.IntRange(0, 1e6).Draw(t, "first")
		for i, loss := range rapid.SliceOfN(rapid.Float64Range(-1e3, 1e6), 2, 300).Draw(t, "losses") {
			l.losses = append(l.losses, point{first + i*rapid.IntRange(1, 3).Draw(t, "stride")/3, loss})
		}
		l.val = []point{l.losses[0], {l.losses[len(l.losses)-1].step + 1, 1}}
		l.picture()
	})
	if err := l.draw(path); err != nil {
		t.Fatal(err)
	}
	for _, loss := range []float64{0, 1e11, 1e30} { // a line in the middle
		im := (&runLog{losses: []point{{0, loss}, {1, loss}}}).picture()
		if im.At(left+plotWidth/2+5, top+plotHeight/2) == chart.Paper {
			t.Errorf("a loss of %v is not in the chart", loss)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for y := range chartHeight {
		for x := range chartWidth {
			r, g, b, _ := im.At(x, y).RGBA()
			seen[[3]uint32{r >> 8, g >> 8, b >> 8}] = true
		}
	}
	if !seen[[3]uint32{31, 90, 180}] || !seen[[3]uint32{214, 96, 20}] {
		t.Error("a line is missing")
	}
}

// A sequence may be longer than the model's context if no document is.
func TestContext(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	var longest int64
	set := func(context int64) func(o *Options) {
		return func(o *Options) {
			o.Settings.Seq, o.Settings.Val = 1000, 0
			longest = o.Data.All().Longest()
			o.Model.Config.MaxPositionEmbeddings = int(longest + context)
		}
	}
	r := must(t, base, "run", set(0))
	// Documents that share a sequence have states of their own.
	if packed, one := r.Memory().Total(), r.trainer.Memory(2, 1001).Total(); packed < one*21/20 {
		t.Errorf("%d bytes are predicted, for single documents %d", packed, one)
	}
	_, err := start(t, base, "run", set(-1))
	if want := fmt.Sprintf("seq is 1000 and a document has %d tokens, but the model is for %d", longest+1, longest-1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestDecode(t *testing.T) {
	s := Defaults()
	if err := s.Decode([]byte(`{"lr": 1e-4, "schedule": "linear", "betas": [0.8, 0.9], "no_shuffle": true}`)); err != nil {
		t.Fatal(err)
	}
	if s.LR != 1e-4 || s.Schedule != train.Linear || s.Betas != [2]float64{0.8, 0.9} || !s.NoShuffle || s.Batch != 8 {
		t.Error(s)
	}
	for object, want := range map[string]string{
		`{"lrr": 1}`:               "lrr is no word for a training",
		`{"batch": "x"}`:           `batch: "x" is not possible`,
		`{"batch": 1.5}`:           `batch: 1.5 is not possible`,
		`{"schedule": "step"}`:     `schedule: "step" is not possible`,
		`{"betas": [0.9]}`:         `betas: [0.9] is not possible`,
		`{"betas": [0.9,0.9,0.9]}`: `betas: [0.9,0.9,0.9] is not possible`,
	} {
		if err := s.Decode([]byte(object)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", object, err)
		}
	}
	for want, set := range map[string]func(s *Settings){
		"steps is 0":             func(s *Settings) { s.Steps = 0 },
		"batch is -1":            func(s *Settings) { s.Batch = -1 },
		"tokens a step":          func(s *Settings) { s.Batch, s.Seq = 1<<20, 1<<20 },
		"val is 1, want":         func(s *Settings) { s.Val = 1 },
		"lr is -1, want":         func(s *Settings) { s.LR = -1 },
		"warmup is 9, want less": func(s *Settings) { s.Steps, s.Warmup = 9, 9 },
		"steps is 1099511627777": func(s *Settings) { s.Steps = s.EpochSteps(1e300, 100) },
	} {
		s := Defaults()
		if set(&s); s.Validate() == nil || !strings.Contains(s.Validate().Error(), want) {
			t.Error(want, s.Validate())
		}
	}
	if n := s.EpochSteps(2.5, 100); n != 32 { // 250 sequences of 8
		t.Error(n)
	}
}
