package sqlstore

import (
	"context"
	"errors"

	"github.com/ticketkit/ticket"
)

func (s *Store) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	return nil, errors.ErrUnsupported
}
func (s *Store) Maintain(ctx context.Context) error { return errors.ErrUnsupported }
