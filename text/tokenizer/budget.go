package tokenizer

import (
	"errors"
	"fmt"
	"time"
)

// A budget bounds what one call may cost whatever the file asks for, in proportion to the text: work, the length of what
// the text becomes on its way, and the time of regular expressions. Its first error ends the call; nothing that is made
// afterwards counts. The nil budget has no bounds.
type budget struct {
	size     int       // bytes of the text
	work     int64     // units left, about a nanosecond each
	deadline time.Time // of regular expressions, whose work cannot be counted
	err      error
}

const (
	baseWork    = 1 << 28
	workPerByte = 1 << 12 // a hundred times what known tokenizers take

	baseLength    = 1 << 20 // bytes of a normalized text, or number of ids
	lengthPerByte = 32      // NFKC makes up to 11 bytes of one

	baseTime    = time.Second
	timePerByte = 20 * time.Microsecond
	matchLimit  = time.Second // for a single match

	wordWork  = 64 // a byte that the model merges
	trieWork  = 32 // a byte that the search for added tokens looks at
	mapWork   = 16 // a byte that is normalized rune by rune
	splitWork = 64 // a piece, for each pre-tokenizer
)

func newBudget(size int) *budget {
	return &budget{
		size: size, work: baseWork + workPerByte*int64(size),
		deadline: time.Now().Add(baseTime + time.Duration(size)*timePerByte),
	}
}

// failed reports whether the call is at its end.
func (b *budget) failed() bool { return b != nil && b.err != nil }

// fail ends the call, unless it is at its end already.
func (b *budget) fail(err error) {
	if b != nil && b.err == nil {
		b.err = err
	}
}

// spend takes n units of work and reports whether the call may go on.
func (b *budget) spend(n int) bool {
	if b == nil {
		return true
	}
	if b.work -= int64(n); b.work < 0 {
		b.fail(fmt.Errorf("the tokenizer takes too much work for a text of %d bytes", b.size))
	}
	return b.err == nil
}

// fits reports whether something that the text becomes may have n bytes, or ids, and ends the call if not.
func (b *budget) fits(n int) bool {
	if b == nil {
		return true
	}
	if n > baseLength+lengthPerByte*b.size {
		b.fail(fmt.Errorf("the tokenizer makes more than %d bytes or ids of a text of %d bytes", baseLength+lengthPerByte*b.size, b.size))
	}
	return b.err == nil
}

var errSlow = errors.New("takes too long")

// inTime reports whether regular expressions may go on.
func (b *budget) inTime() bool { return b == nil || b.err == nil && time.Now().Before(b.deadline) }

// mayMerge reports whether a word of n bytes may be merged, and takes the work.
func (b *budget) mayMerge(n int) bool {
	if n > maxWord {
		b.fail(fmt.Errorf("a stretch of %d bytes has no place where tokens cannot merge; at most %d are supported", n, maxWord))
	}
	return b.spend(n * wordWork)
}
