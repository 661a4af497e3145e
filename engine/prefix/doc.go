// Package prefix keeps states of sequences, so that a prompt which begins like an earlier one is computed from where they
// part.
//
// A Cache is a radix tree over token ids, with a root for each salt and adapter. Its nodes hold snapshots: Forks of a
// state.State at that position, keys and values and Mamba's states in one. A hybrid's snapshot serves its own position
// alone; one of attention layers only can be cut back, and serves every position before it, too. Which positions are worth
// a snapshot is told by Marks.Places, which snapshot goes when memory is short by a Policy. Paths without snapshots stay
// known for a while: where a request leaves a known path is where the next one will, too.
//
// A Path is one request's way through the tree, from Announce to Retire. A Cache and its Paths are for one goroutine; Stats
// may be called by any.
package prefix
