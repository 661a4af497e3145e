// Command jamba runs hybrid language models on the machine at hand. See its --help.
package main

import (
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
