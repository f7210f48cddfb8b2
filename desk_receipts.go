package ticket

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"
)

// defaultReceiptAge is how long a key is remembered, unless the host says otherwise.
const defaultReceiptAge = 30 * 24 * time.Hour

// receiptKey returns the key of receipts; nil: there is none.
func (c *Config) receiptKey() []byte {
	switch {
	case len(c.ReceiptKey) > 0:
		return append([]byte(nil), c.ReceiptKey...)
	case len(c.ChainKey) > 0:
		mac := hmac.New(sha256.New, c.ChainKey)
		mac.Write([]byte("ticket: receipts"))
		return mac.Sum(nil)
	}
	return nil
}

// keyed is a request's digest as receipts keep it. It is made of the digest that
// receipts had before there was a key, so that theirs can be keyed without the words.
func (d *Desk) keyed(request Digest) Digest {
	if d.receipts == nil {
		return request
	}
	mac := hmac.New(sha256.New, d.receipts)
	mac.Write(request[:])
	return Digest(mac.Sum(nil))
}

// of reports whether the receipt is of this request.
func (d *Desk) of(r *Receipt, request Digest) bool {
	if r.Keyed {
		request = d.keyed(request)
	}
	return hmac.Equal(r.Request[:], request[:])
}

// forgetEvery is how often Run forgets.
const forgetEvery = time.Hour

// forgetBatch bounds how many receipts are removed or changed at a time.
const forgetBatch = 100

// PruneReceipts removes the receipts that are older than Config.ReceiptAge, and
// makes those of before there was a key unguessable: see Config.ReceiptKey. It
// returns how many these were. [Desk.Run] calls it once an hour; a host that does not
// use Run calls it now and then. A store that cannot do it gives
// [errors.ErrUnsupported].
func (d *Desk) PruneReceipts(ctx context.Context) (int, error) {
	s, ok := d.store.(ReceiptPruner)
	if !ok {
		return 0, unsupported("age of receipts", errors.ErrUnsupported)
	}
	var before time.Time
	if d.cfg.ReceiptAge > 0 {
		before = d.now().Add(-d.cfg.ReceiptAge)
	}
	if err := checkTimes(namedTime{"receipts.before", before}); err != nil {
		return 0, err
	}
	var key func(Digest) Digest
	if d.receipts != nil {
		key = d.keyed
	}
	for all := 0; ; {
		n, err := s.PruneReceipts(ctx, before, forgetBatch, key)
		all += n
		if err != nil || n == 0 {
			return all, unsupported("age of receipts", err)
		}
	}
}

// forgetting is ForgetReceipts for Run, once an hour.
func (d *Desk) forgetting() func(context.Context) error {
	var next time.Time
	return func(ctx context.Context) error {
		now := d.now()
		if stillAhead(now, next, forgetEvery) {
			return nil
		}
		_, err := d.PruneReceipts(ctx)
		if err == nil {
			next = now.Add(forgetEvery)
		}
		return err
	}
}
