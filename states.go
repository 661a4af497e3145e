package jamba

import "jamba/engine/prefix"

// stateBytes is how much of the disk states may take by default.
const stateBytes = 16 << 30

// openStates opens the folder of states.
func (m *Model) openStates(o *OpenOptions) error {
	hash, err := m.hash()
	if err != nil {
		return err
	}
	limit := o.StateBytes
	if limit == 0 {
		limit = stateBytes
	}
	o.Engine.Disk, err = prefix.OpenDisk(o.StateDir, prefix.DiskOptions{Model: hash, Limit: limit, Warn: o.Warn})
	return err
}
