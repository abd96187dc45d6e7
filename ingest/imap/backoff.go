package imap

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff gives growing pauses with jitter, so that the sources of a restarted
// server do not come back in step.
type backoff struct {
	min, max time.Duration
	failures int
}

// next returns a pause between half and all of min doubled at each failure, at
// most max.
func (b *backoff) next() time.Duration {
	d := b.max
	if b.failures < 32 {
		if grown := b.min << b.failures; grown > 0 && grown < b.max { // <= 0: overflow
			d = grown
		}
	}
	b.failures++
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
