//go:build !unix

package main

import (
	"github.com/reeflective/readline"
)

// suspendKey does nothing where there are no jobs to suspend.
func suspendKey(*readline.Shell) {}
