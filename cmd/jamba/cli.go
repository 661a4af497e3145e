package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"jamba/embedded"
	"jamba/internal/kernel/par"
	"jamba/internal/measure/eval"
	"jamba/internal/printable"
	"jamba/quantize/recipe"
)

const description = `Run hybrid language models (Jamba) and their relatives (Llama, Mistral, Mixtral, Mamba) on this machine's processor.

MODEL is a folder as Hugging Face lays it out (config.json, model.safetensors, tokenizer.json) or a .gguf file. It may also stand in the environment variable JAMBA_MODEL. Without one, the commands that read no folder take the small model that is in this file: it tells stories for children and knows nothing. JAMBA_CPU=generic|avx2|avx512|amx, on arm64 generic|neon, forces the kernels, with a plus those that make use of more (avx2+vnni, avx512+vnni, neon+sdot, neon+sdot+i8mm); by default they are the best that the processor has. JAMBA_CACHE=DIR|off says where the compiled grammar engine is kept, and which kernels are the faster ones on this machine (jamba version --help).

Examples:
  jamba run "Once upon a time"                     the model that is in this file
  jamba run -m MODEL                               chat
  jamba run -m MODEL "Why is the sky blue?"        one answer
  git diff | jamba run -m MODEL --system "Write a commit message." -
  jamba quantize MODEL -o OUT.gguf --type q4_k_m   smaller weights, in a file that llama.cpp opens, too
  jamba serve -m MODEL                             an endpoint for programs, at http://127.0.0.1:8080/v1
  jamba show -m MODEL                              what is it, how large, layer by layer
  jamba plan jamba-v0.1 --memory 80GB              does it fit, and with what context?
  jamba logits -m MODEL --tokens 1,2,3 -o out.npy  the raw numbers
  jamba train nano book.txt -o my-model            a model of your own

Every command has its own help: jamba run --help.`

// grammar is the command line; each field is a verb with a file of its own.
type grammar struct {
	Run       runCmd       `cmd:"" help:"Answer a prompt, or chat."`
	Serve     serveCmd     `cmd:"" help:"Answer over HTTP, as OpenAI's, Anthropic's and Ollama's clients expect it."`
	Show      showCmd      `cmd:"" help:"Show what a model is: its layers, sizes and memory."`
	Plan      planCmd      `cmd:"" help:"Compute what memory a model takes, what fits, and how fast it can be at most."`
	Logits    logitsCmd    `cmd:"" help:"Compute the logits of a sequence of token ids."`
	Bench     benchCmd     `cmd:"" help:"Measure how fast a model runs, and how near that is to the machine's limits."`
	Compare   compareCmd   `cmd:"" help:"Measure how far two models, precisions or engines deviate on the same text."`
	Eval      evalCmd      `cmd:"" help:"Evaluate a model: perplexity, choices, answers, needles in haystacks."`
	Merge     mergeCmd     `cmd:"" help:"Add a low-rank adapter (LoRA) to a model's weights."`
	Tokenize  tokenizeCmd  `cmd:"" help:"Turn text into token ids, or ids into text."`
	Quantize  quantizeCmd  `cmd:"" help:"Write a model as a GGUF file with smaller weights."`
	Template  templateCmd  `cmd:"" help:"Render a conversation with the model's chat template."`
	Tokenizer tokenizerCmd `cmd:"" help:"Make a tokenizer."`
	Train     trainCmd     `cmd:"" help:"Train a new model from text."`
	Finetune  finetuneCmd  `cmd:"" help:"Train an existing model on further text or conversations."`

	Experiment experimentCmd `cmd:"" help:"Train small models that differ in their schedule, and compare what they learn."`

	About   versionCmd       `cmd:"" name:"version" help:"Show the version, the kernels, and what is chosen between them."`
	Version kong.VersionFlag `help:"Print the version and stop."`
}

// modelFlag is the flag that names a model.
type modelFlag struct {
	Model string `short:"m" env:"JAMBA_MODEL" placeholder:"MODEL" help:"A model folder or .gguf file."`
}

// path returns the model's path, or an error that says how to give one.
func (f *modelFlag) path() (string, error) {
	if f.Model == "" {
		return "", usageError("no model given: name a model folder or .gguf file with -m, or in the environment variable JAMBA_MODEL")
	}
	return f.Model, nil
}

// orEmbedded returns the model's path, by default that of the model that the command carries.
func (f *modelFlag) orEmbedded() string { return cmp.Or(f.Model, embedded.Model) }

// threadsFlag is the flag that limits the threads.
type threadsFlag struct {
	Threads int `placeholder:"N" help:"Threads to compute with. Default: all cores."`
}

func (f *threadsFlag) apply() error {
	if f.Threads < 0 || f.Threads > 1024 {
		return usageError(fmt.Sprintf("--threads is %d, want 1 to 1024", f.Threads))
	}
	par.SetThreads(f.Threads)
	return nil
}

// usageError is an error in how the command was called: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// streams are the command's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitStatus is what kong's own exits (--help, --version) are turned into.
type exitStatus int

// run is the command: it returns the exit status, 0, 1 for an error, 2 for wrong usage.
func run(args []string, in io.Reader, out, errOut io.Writer) (status int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exitStatus:
			status = int(r)
		default:
			panic(r)
		}
	}()
	var g grammar
	parser, err := kong.New(&g, kong.Name("jamba"), kong.Description(description), kong.Writers(out, errOut),
		kong.Exit(func(code int) { panic(exitStatus(code)) }), kong.Vars{
			"version": versionLine(), "types": "Of the weights: " + recipe.Names(recipe.FileRecipes()), "weights": recipe.Names(recipe.WeightRecipes()),
			"tasks": strings.Join(eval.TaskNames(), ", "),
		},
		kong.WithHyphenPrefixedParameters(true), // penalties and biases may be negative
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}))
	if err != nil {
		fmt.Fprintln(errOut, "jamba:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		verb := "jamba"
		if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context.Selected() != nil {
			verb = p.Context.Selected().FullPath()
		}
		fmt.Fprintf(errOut, "jamba: %s\nTry %s --help.\n", printable.Line(err.Error()), verb)
		return 2
	}
	err = ctx.Run(&streams{in, out, errOut})
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "jamba: %s\nTry %s --help.\n", printable.Line(err.Error()), ctx.Selected().FullPath())
		return 2
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "jamba: interrupted")
		return 130 // what shells give for a program that Ctrl-C ended
	default:
		fmt.Fprintln(errOut, "jamba:", printable.Line(err.Error()))
		return 1
	}
}

// untilInterrupted returns a context that ends when the user or the system asks the program to stop.
func untilInterrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v + " " + info.GoVersion
}

// isTerminal reports whether f is a terminal.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
