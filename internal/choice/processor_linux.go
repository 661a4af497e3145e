package choice

import (
	"io"
	"os"
	"slices"
	"strings"
)

// processorFields are what /proc/cpuinfo calls a processor by, on amd64 and on arm64, where it has no name.
var processorFields = []string{
	"vendor_id", "cpu family", "model", "model name", "stepping",
	"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
}

// processor names the first processor of the machine, "" if it is not known.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 1<<14)) // those of further processors follow
	first, _, _ := strings.Cut(string(b), "\n\n")
	var name []string
	for line := range strings.Lines(first) {
		field, value, _ := strings.Cut(line, ":")
		if slices.Contains(processorFields, strings.TrimSpace(field)) {
			name = append(name, strings.TrimSpace(value))
		}
	}
	return strings.Join(name, " ")
}
