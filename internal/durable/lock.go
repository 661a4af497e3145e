package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// lockFile is the file in a folder that a program holds while it writes to the folder.
const lockFile = ".lock"

// errHeld is what hold returns if another program holds the file.
var errHeld = errors.New("held by another program")

// Lock makes the caller the only one that writes to a folder, which it makes if need be, until the file that it returns is
// closed or the program ends, however it ends. It is an error that says so if somebody else has the folder. The lock binds
// those alone who ask for it, and nobody where the system or the file system has none.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	// The file stays: who removes it may remove one that somebody has just opened to hold it.
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	switch err := hold(f); {
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return f, nil
	case errors.Is(err, errHeld):
		err = fmt.Errorf("%s: another program is writing to this folder", dir)
		return nil, errors.Join(err, f.Close())
	default:
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
}
