package grammar

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	_ "embed" // the module
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// llguidance, with the functions in llguidance/src/lib.rs; scripts/grammar-module makes it.
//
//go:embed llguidance/llguidance.wasm.gz
var compressed []byte

// module is llguidance as compiled for this processor.
type module struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// load loads the module, once a process.
var load = sync.OnceValues(func() (*module, error) {
	code, err := unpacked()
	if err != nil {
		return nil, err
	}
	return loadModule(code, wazeroVersion())
})

func unpacked() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// loadModule compiles the module, or finds what it compiled to in files. What is wrong with those costs time and nothing else.
func loadModule(code []byte, version string) (*module, error) {
	if files, err := openCompiled(version); err == nil {
		if m, err := compile(code, settings().WithCompilationCache(files.cache)); err == nil {
			files.seal()
			return m, nil
		}
	}
	return compile(code, settings())
}

// settings are those of the runtime; see generation. A grammar that takes too long is ended by its context.
func settings() wazero.RuntimeConfig { return wazero.NewRuntimeConfig().WithCloseOnContextDone(true) }

func compile(code []byte, settings wazero.RuntimeConfig) (*module, error) {
	ctx := experimental.WithCompilationWorkers(context.Background(), runtime.GOMAXPROCS(0))
	m := &module{runtime: wazero.NewRuntimeWithConfig(ctx, settings)}
	var err error
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err == nil {
		// Of the system the module has a clock and random numbers, no files and no network.
		_, err = wasi_snapshot_preview1.Instantiate(ctx, m.runtime)
	}
	if err != nil {
		return nil, errors.Join(err, m.runtime.Close(ctx))
	}
	return m, nil
}

// instance is the module with a memory of its own. One goroutine uses it at a time.
type instance struct {
	module   api.Module
	memory   *memory
	messages tail // what it has written of its end
	err      error
}

// instantiate returns an instance which takes its memory from b and begins with image, another one's; nil: as it comes.
func (m *module) instantiate(b *budget, image []byte) (*instance, error) {
	in := &instance{memory: &memory{budget: b}}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithStderr(&in.messages).WithRandSource(rand.Reader).
		WithSysNanotime().WithSysWalltime()
	ctx := experimental.WithMemoryAllocator(context.Background(), in.memory)
	var err error
	if in.module, err = m.runtime.InstantiateModule(ctx, m.compiled, config); err != nil {
		in.memory.Free()
		return nil, fmt.Errorf("the grammar engine: %w", err)
	}
	if now := in.module.Memory().Size(); image != nil {
		if _, ok := in.module.Memory().Grow((uint32(len(image)) - now) / page); !ok {
			in.close()
			return nil, ErrBusy
		}
		in.module.Memory().Write(0, image)
	}
	return in, nil
}

func (in *instance) close() { in.module.Close(context.Background()) }

// image returns a copy of the instance's memory.
func (in *instance) image() []byte {
	view, _ := in.module.Memory().Read(0, in.module.Memory().Size())
	return bytes.Clone(view)
}

// call calls a function of the module. After a trap the instance is of no use.
func (in *instance) call(ctx context.Context, name string, args ...uint64) (uint32, error) {
	if in.err != nil {
		return 0, in.err
	}
	r, err := in.module.ExportedFunction(name).Call(ctx, args...)
	switch {
	case err == nil:
		if len(r) == 0 {
			return 0, nil
		}
		return uint32(r[0]), nil
	case ctx.Err() != nil:
		in.err = errTime
	case in.memory.refused:
		in.err = errMemory
	default:
		in.err = fmt.Errorf("the grammar engine has failed: %s", in.messages.last(err))
	}
	return 0, in.err
}

// do calls a function that returns the length of a message.
func (in *instance) do(ctx context.Context, name string, args ...uint64) error {
	n, err := in.call(ctx, name, args...)
	if err != nil || n == 0 {
		return err
	}
	message, err := in.buffer(ctx, n)
	if err != nil {
		return err
	}
	return errors.New(strings.ToValidUTF8(string(message), "\ufffd"))
}

// buffer returns n bytes through which longer values pass, valid until the next call.
func (in *instance) buffer(ctx context.Context, n uint32) ([]byte, error) {
	at, err := in.call(ctx, "buffer", uint64(n))
	if err != nil {
		return nil, err
	}
	view, ok := in.module.Memory().Read(at, n)
	if !ok {
		in.err = errMemory
		return nil, in.err
	}
	return view, nil
}

// tail keeps the beginning of what is written: the message of a panic.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[:min(len(p), 1024-len(t.text))]...)
	return len(p), nil
}

func (t *tail) last(err error) string {
	if text := strings.TrimSpace(strings.ToValidUTF8(string(t.text), "\ufffd")); text != "" {
		return text
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
