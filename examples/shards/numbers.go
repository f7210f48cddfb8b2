package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/ticketkit/ticket"
)

// The numbers of the library are random: each database sees to it that none is given twice, and
// none knows the others. So two databases can give the same number, and a tenant who has it could
// not be moved from the one to the other. And a number does not say whose it is, although every
// look-up needs the tenant.
//
// Therefore the first three symbols are the tenant's number here, and the other five are random:
// 32,767 tenants with 33 million numbers each. A number stays right when the tenant is moved. It
// has the form, the check symbol and the reading of the library's own.
const (
	symbolBits = 5
	randomBits = 5 * symbolBits
	mostTenant = 1<<(3*symbolBits) - 1
)

// numbers returns the numbers of all desks.
func (r *Router) numbers() ticket.Numbers {
	draw := func(ctx context.Context, tenant string) (ticket.Number, error) {
		var n uint64
		if err := r.app.QueryRowContext(ctx, "SELECT number FROM app_tenants WHERE name = ?", tenant).Scan(&n); err != nil {
			return "", err
		}
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails, by its documentation
		return ticket.NumberOf(n<<randomBits | binary.BigEndian.Uint64(b[:])>>(64-randomBits)), nil
	}
	return ticket.Numbers{New: draw, Parse: ticket.ParseNumber}
}

// TenantOf returns the tenant that a number belongs to, as somebody wrote it or read it out.
func (r *Router) TenantOf(ctx context.Context, text string) (tenant string, err error) {
	n, err := ticket.ParseNumber(text)
	if err != nil {
		return "", err
	}
	number := 0
	for _, symbol := range string(n[:3]) {
		number = number<<symbolBits | strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", symbol)
	}
	err = r.app.QueryRowContext(ctx, "SELECT name FROM app_tenants WHERE number = ?", number).Scan(&tenant)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("number %s: %w", n, errUnknown)
	}
	return tenant, err
}
