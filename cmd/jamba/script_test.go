package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"jamba/internal/kernel"
	"jamba/internal/testutil"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jamba": mainMeasured})
}

// TestScripts runs the command as a person would: see testdata/*.txt.
func TestScripts(t *testing.T) {
	goldens, err := filepath.Abs(testutil.Golden())
	if err != nil {
		t.Fatal(err)
	}
	caller := t.TempDir()
	if err := writeCaller(caller); err != nil {
		t.Fatal(err)
	}
	scripts := []string{"*"}
	if testutil.Race {
		// The others compute, in packages whose own tests run under the race detector, ten times as long here.
		scripts = []string{"output", "run", "schema", "serve", "session", "statedir", "tools"}
	}
	var files []string
	for _, name := range scripts {
		found, err := filepath.Glob(filepath.Join("testdata", name+".txt"))
		if err != nil || len(found) == 0 {
			t.Fatal(name, err)
		}
		files = append(files, found...)
	}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			env.Setenv("JAMBA_CACHE", "off") // and nothing is measured
			env.Setenv("MODELS", filepath.Join(goldens, "models"))
			env.Setenv("E2E", filepath.Join(goldens, "e2e", "model"))
			env.Setenv("TOKENIZERS", filepath.Join(goldens, "tokenizer"))
			env.Setenv("ADAPTERS", filepath.Join(goldens, "adapters"))
			env.Setenv("CALLER", caller)
			env.Setenv("EVAL", filepath.Join(goldens, "..", "..", "internal", "measure", "eval", "testdata"))
			env.Setenv("CHAT", filepath.Join(goldens, "chat"))
			return nil
		},
		// [panels]: the kernels pack matrices.
		Condition: func(name string) (bool, error) {
			if name != "panels" {
				return false, fmt.Errorf("condition %s is not known", name)
			}
			return kernel.PanelRows() > 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status N COMMAND…: run it and expect the exit status N.
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				code := 0
				if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
					code = exit.ExitCode()
				}
				if strconv.Itoa(code) != args[0] {
					ts.Fatalf("exit status %d, want %s", code, args[0])
				}
			},
			// truncate FILE N: keep the first N bytes.
			"truncate": func(ts *testscript.TestScript, _ bool, args []string) {
				n := 0
				for _, c := range args[1] {
					n = 10*n + int(c-'0')
				}
				ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(n)))
			},
		},
	})
}
