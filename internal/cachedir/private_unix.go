//go:build unix

package cachedir

import (
	"fmt"
	"os"
	"syscall"
)

// private returns an error unless a folder is the user's own and nobody else can write in it.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if of, ok := info.Sys().(*syscall.Stat_t); !ok || int(of.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s: others can write in it", dir)
	}
	return nil
}
