//go:build unix

package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/reeflective/readline"
	"github.com/reeflective/readline/inputrc"
	"golang.org/x/term"
)

// suspendKey makes Ctrl-Z in the editor do what it does elsewhere: stop all processes of the job until the shell goes on
// with it.
func suspendKey(shell *readline.Shell) {
	in := int(os.Stdin.Fd())
	cooked, err := term.GetState(in)
	if err != nil {
		return
	}
	suspend := func() {
		shell.History.SkipSave()
		raw, err := term.GetState(in)
		if err != nil || term.Restore(in, cooked) != nil {
			return
		}
		fmt.Print("\x1b[?2004l\r\n") // the shell has its own idea of pasting
		resumed := make(chan os.Signal, 1)
		signal.Notify(resumed, syscall.SIGCONT)
		defer signal.Stop(resumed)
		if syscall.Kill(0, syscall.SIGTSTP) == nil {
			<-resumed
		}
		_ = term.Restore(in, raw)
		fmt.Print("\x1b[?2004h")
		shell.Display.PrintPrimaryPrompt()
	}
	shell.Keymap.Register(map[string]func(){"suspend": suspend})
	for _, keymap := range []string{"emacs", "vi-insert", "vi-command"} {
		_ = shell.Config.Bind(keymap, inputrc.Unescape(`\C-z`), "suspend", false)
	}
}
