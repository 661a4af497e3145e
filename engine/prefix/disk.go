package prefix

// Disk keeps snapshots across restarts.
type Disk struct{}

type file struct{}
