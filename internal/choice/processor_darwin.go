package choice

import "golang.org/x/sys/unix"

// processor names the processor of the machine, "" if it is not known.
func processor() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
