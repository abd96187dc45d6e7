package store_test

import (
	"path/filepath"
	"testing"

	"radicado/store"
	"radicado/store/storetest"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := store.Open(filepath.Join(t.TempDir(), "radicado.db"), store.Options{NoSync: true}) // the crash tests sync
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
