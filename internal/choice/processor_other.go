//go:build !linux && !darwin

package choice

import "os"

// processor names the processor of the machine, as Windows does; "" if it is not known.
func processor() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
