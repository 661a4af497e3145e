package loop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"jamba/internal/durable"
	"jamba/train"
)

const (
	logFile   = "log.jsonl"
	chartFile = "loss.png"
)

// StepLine is what the log says of one step, from before its update.
type StepLine struct {
	Step       int         `json:"step"` // the first is 0
	Loss       float64     `json:"loss"` // ce_loss + aux_coef · aux_loss
	CELoss     float64     `json:"ce_loss"`
	AuxLoss    float64     `json:"aux_loss"`
	GradNorm   float64     `json:"grad_norm"` // before clipping
	LR         float64     `json:"lr"`
	TokensPerS float64     `json:"tokens_per_s"`
	Layers     []LayerLine `json:"layers,omitempty"`
}

// LayerLine is train.LayerStats in the log.
type LayerLine struct {
	Out    float32 `json:"out"`     // root mean square of the layer's output
	OutMax float32 `json:"out_max"` // the largest magnitude in it
	Inner  float32 `json:"inner"`   // the largest magnitude in dt, B and C, or in q and k
	DOut   float32 `json:"d_out"`   // root mean square of the gradient of the output
}

// ValLine is what the log says of a validation, after so many steps as Step says.
type ValLine struct {
	Step        int      `json:"step"`
	ValLoss     float64  `json:"val_loss"`                // cross entropy, the mean over all targets
	BitsPerByte *float64 `json:"bits_per_byte,omitempty"` // of text; nil: the bytes are not known
}

func stepLine(s *train.Stats, seconds float64) StepLine {
	l := StepLine{
		Step: s.Step, Loss: s.Loss, CELoss: s.CE, AuxLoss: s.Aux, GradNorm: s.GradNorm, LR: s.LR,
		TokensPerS: float64(s.Tokens) / max(seconds, 1e-9),
	}
	for _, x := range s.Layers {
		l.Layers = append(l.Layers, LayerLine(x))
	}
	return l
}

// runLog is the log of a run: in its file, each line as soon as it is there, and as points for the chart.
type runLog struct {
	f           *os.File
	losses, val []point
}

// openLog opens the log in dir of a run that stands before a step. What a run that was ended wrote of that step and later
// ones is dropped, since they will be done again.
func openLog(dir string, step int) (*runLog, error) {
	l := &runLog{}
	path := filepath.Join(dir, logFile)
	old, err := os.Open(path)
	if err == nil {
		err = durable.WriteFile(path, func(f *os.File) error { return l.keep(f, old, step) })
		old.Close()
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	l.f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	return l, err
}

// keep copies the lines from before a step.
func (l *runLog) keep(to, from *os.File, step int) error {
	w := bufio.NewWriter(to)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var line struct {
			Step    *int     `json:"step"`
			Loss    *float64 `json:"loss"`
			ValLoss *float64 `json:"val_loss"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // half a line
		}
		switch {
		case line.Step == nil || line.Loss == nil && line.ValLoss == nil:
			return fmt.Errorf("%s: is the log of something else (%.100s); name another folder", from.Name(), lines.Bytes())
		case line.Loss != nil && *line.Step < step:
			l.losses = append(l.losses, point{*line.Step, *line.Loss})
		case line.ValLoss != nil && *line.Step <= step:
			l.val = append(l.val, point{*line.Step, *line.ValLoss})
		default:
			continue
		}
		w.Write(append(lines.Bytes(), '\n'))
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", from.Name(), err)
	}
	return w.Flush()
}

func (l *runLog) step(line StepLine) error {
	l.losses = append(l.losses, point{line.Step, line.Loss})
	return l.write(line)
}

func (l *runLog) validation(line ValLine) error {
	l.val = append(l.val, point{line.Step, line.ValLoss})
	return l.write(line)
}

// validated reports whether there is a validation after so many steps.
func (l *runLog) validated(step int) bool {
	return len(l.val) > 0 && l.val[len(l.val)-1].step == step
}

func (l *runLog) write(line any) error {
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("%s: %w", logFile, err)
	}
	_, err = l.f.Write(append(b, '\n'))
	return err
}
