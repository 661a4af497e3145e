package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"jamba/serve/turn"
)

// terms are what a key may do; 0: there is no limit.
type terms struct {
	name             string
	requests, tokens int // a minute
	parallel         int // requests at a time
}

// account is a key, and what was spent with it. All may be done with nil, which has no limits.
type account struct {
	hash [sha256.Size]byte
	terms
	*spent
}

type spent struct {
	requests, tokens *rate.Limiter
	running          atomic.Int64
}

// newAccount returns the account of a key, which goes on from what it was before; old may be nil.
func newAccount(hash [sha256.Size]byte, t terms, old *account) *account {
	if old == nil {
		return &account{hash, t, &spent{requests: rate.NewLimiter(minute(t.requests)), tokens: rate.NewLimiter(minute(t.tokens))}}
	}
	adjust(old.spent.requests, t.requests)
	adjust(old.spent.tokens, t.tokens)
	return &account{hash, t, old.spent}
}

// minute returns the rate of n a minute, and how many may come at once: as many.
func minute(n int) (rate.Limit, int) {
	if n == 0 {
		return rate.Inf, math.MaxInt32
	}
	return rate.Limit(float64(n) / 60), n
}

// adjust lets a limiter give n a minute.
func adjust(l *rate.Limiter, n int) {
	if limit, burst := minute(n); l.Burst() != burst {
		l.SetLimit(limit)
		l.SetBurst(burst)
	}
}

// who returns whose key it is, for the log.
func (a *account) who() string {
	switch {
	case a == nil:
		return ""
	case a.name != "":
		return a.name
	}
	return "sha256:" + hex.EncodeToString(a.hash[:4])
}

// salt returns a salt with which nothing is shared with other keys, but for those of the same name.
func (a *account) salt(salt string) string {
	switch {
	case a == nil:
		return salt
	case a.name != "":
		return "name " + a.name + "\n" + salt
	}
	return "key " + hex.EncodeToString(a.hash[:]) + "\n" + salt
}

// begin counts a request, or says why it may not be. end is to be called when it has ended.
func (a *account) begin() (end func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	if n := a.running.Add(1); a.parallel > 0 && n > int64(a.parallel) {
		a.running.Add(-1)
		return nil, tooMany(time.Second, "this key may have %d requests at a time", a.parallel)
	}
	end = func() { a.running.Add(-1) }
	now := time.Now()
	r := a.spent.requests.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		end()
		return nil, tooMany(d, "this key may make %d requests a minute", a.terms.requests)
	}
	return end, nil
}

// prompt counts the tokens of prompts, or says why they may not be computed. One that has more than may be in a minute has to wait until
// all of a minute's are there, and those after it for the rest.
func (a *account) prompt(n int) error {
	if a == nil || a.terms.tokens == 0 {
		return nil
	}
	l := a.spent.tokens
	if missing := min(float64(n), float64(l.Burst())) - l.Tokens(); missing > 0 {
		return tooMany(time.Duration(missing/float64(l.Limit())*float64(time.Second)), "this key may have %d tokens a minute, of prompts and answers", a.terms.tokens)
	}
	a.spend(n)
	return nil
}

// spend counts tokens, be there as many or not.
func (a *account) spend(n int) {
	if a == nil || a.terms.tokens == 0 {
		return
	}
	now := time.Now()
	for burst := a.spent.tokens.Burst(); n > 0; n -= burst {
		a.spent.tokens.ReserveN(now, min(n, burst))
	}
}

// tooMany returns the error of a request that may be made again in a while.
func tooMany(wait time.Duration, format string, of int) error {
	e := turn.Invalid("", format, of)
	e.Status, e.Code, e.Retry = http.StatusTooManyRequests, "rate_limit_exceeded", max(1, int(math.Ceil(wait.Seconds())))
	return e
}
