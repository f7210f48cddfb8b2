package ticket

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"
)

// defaultReceiptAge is the default of Config.ReceiptAge.
const defaultReceiptAge = 30 * 24 * time.Hour

// receiptKey returns the key of receipts; nil if there is none.
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

// keyed returns a request's digest as receipts keep it. It is computed from the
// digest that receipts had before there was a key, so that old receipts can be keyed
// without the request.
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

// PruneReceipts removes the receipts that are older than Config.ReceiptAge, and
// replaces digests from before there was a key; see Config.ReceiptKey. It returns the
// number of receipts it removed or changed. [Desk.Run] calls it once an hour; without Run, call it
// now and then. A store that cannot do it returns [errors.ErrUnsupported].
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
	n, err := d.inBatches(ctx, func() (int, error) { return s.PruneReceipts(ctx, before, pruneBatch, key) })
	return n, unsupported("age of receipts", err)
}
