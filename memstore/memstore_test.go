package memstore_test

import (
	"testing"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) ticket.Store { return memstore.New() })
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(*testing.B) ticket.Store { return memstore.New() })
}
