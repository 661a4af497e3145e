package train

import (
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
)

// mlp writes to dh the gradient of an MLP's input, from that of its output.
func (b *backward) mlp(l layer, t *model.MLPTape, dh, dout []float32) {
	mark := b.used
	dact, dgate, dup := b.alloc(len(t.Act)), b.alloc(len(t.Act)), b.alloc(len(t.Act))
	l.linear(param.DownProj, dact, dout, t.Act, false)
	b.lap("feed_forward.proj")
	kernel.SiLUMulBackward(dgate, dup, t.Gate, t.Up, dact)
	b.lap("silu")
	l.linear(param.GateProj, dh, dgate, t.H, false)
	l.linear(param.UpProj, dh, dup, t.H, true)
	b.lap("feed_forward.proj")
	b.release(mark)
}
