package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
)

func empty(f *fixture) {
	f.view(func(tx store.ReadTx) {
		require.Zero(f, tx.Revision())
		require.NotZero(f, tx.Lineage())
		_, ok := tx.Get("a", "k")
		require.False(f, ok)
		require.Empty(f, keys(tx, "a", "", ""))
		for range tx.Journal(1<<62, 0) {
			require.Fail(f, "a journal entry in an empty store")
		}
	})
}

func putGetDelete(f *fixture) {
	f.put("a", "k", "one")
	f.put("b", "k", "other")
	f.put("a", "k", "two")
	f.put("a", "none", "")
	f.view(func(tx store.ReadTx) {
		value, ok := tx.Get("a", "k")
		require.True(f, ok)
		require.Equal(f, "two", string(value))
		value, ok = tx.Get("a", "none")
		require.True(f, ok, "an empty value is a value")
		require.NotNil(f, value)
		require.Empty(f, value)
	})
	f.update(func(tx store.WriteTx) {
		tx.Delete("a", "k")
		tx.Delete("a", "never there")
		tx.Delete("never", "there")
	})
	require.Equal(f, map[string]string{"a/none": "", "b/k": "other"}, f.all("a", "b").Records)
}

func ownWrites(f *fixture) {
	f.put("a", "old", "1")
	f.put("a", "gone", "1")
	f.update(func(tx store.WriteTx) {
		tx.Put("a", "old", []byte("2"))
		tx.Delete("a", "gone")
		tx.Put("a", "new", []byte("3"))
		value, ok := tx.Get("a", "old")
		require.True(f, ok)
		require.Equal(f, "2", string(value))
		_, ok = tx.Get("a", "gone")
		require.False(f, ok)
		tx.Delete("a", "new")
		_, ok = tx.Get("a", "new")
		require.False(f, ok)
		tx.Put("a", "gone", []byte("4"))
	})
	require.Equal(f, map[string]string{"a/old": "2", "a/gone": "4"}, f.all("a").Records)
}

func copies(f *fixture) {
	value, entry := []byte("value"), []byte("entry")
	f.update(func(tx store.WriteTx) {
		tx.Put("a", "k", value)
		tx.Append(entry)
		value[0], entry[0] = 'X', 'X'
	})
	var kept, scanned, journaled []byte
	f.view(func(tx store.ReadTx) {
		kept, _ = tx.Get("a", "k")
		for _, v := range tx.Scan("a", "", "") {
			scanned = v
		}
		for _, e := range tx.Journal(1, 1) {
			journaled = e
		}
	})
	for _, got := range [][]byte{kept, scanned, journaled} {
		require.NotEmpty(f, got)
		got[0] = 'Y' // must neither crash nor reach the store
	}
	got := f.all("a")
	require.Equal(f, "value", got.Records["a/k"])
	require.Equal(f, "entry", got.Journal[1])
}

func binaryKeys(f *fixture) {
	want := []string{"\x00", "\x00\x00", "\x00\xff", "/", "a\x00b", "a\nb", "\u00e9", "\x80", "\xff", "\xff\x00", "\xff\xff", strings.Repeat("k", store.MaxKey)}
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i)
	}
	f.update(func(tx store.WriteTx) {
		for _, key := range want {
			tx.Put("a-0", key, append([]byte(key), value...))
		}
	})
	slices.Sort(want)
	f.view(func(tx store.ReadTx) {
		require.Equal(f, want, keys(tx, "a-0", "", ""))
		for _, key := range want {
			got, ok := tx.Get("a-0", key)
			require.True(f, ok, "%q", key)
			require.Equal(f, append([]byte(key), value...), got)
		}
		require.Equal(f, []string{"\xff", "\xff\x00", "\xff\xff"}, keys(tx, "a-0", "\xff", ""))
		require.Equal(f, []string{"\x00\xff"}, keys(tx, "a-0", "\x00", "\x00\x01"))
	})
}

func invalid(f *fixture) {
	for name, fn := range map[string]func(store.WriteTx){
		"empty key":         func(tx store.WriteTx) { tx.Put("a", "", nil) },
		"long key":          func(tx store.WriteTx) { tx.Put("a", strings.Repeat("k", store.MaxKey+1), nil) },
		"empty namespace":   func(tx store.WriteTx) { tx.Put("", "k", nil) },
		"namespace letters": func(tx store.WriteTx) { tx.Put("a/b", "k", nil) },
		"long namespace":    func(tx store.WriteTx) { tx.Delete(strings.Repeat("n", store.MaxNamespace+1), "k") },
		"scan":              func(tx store.WriteTx) { keys(tx, "A", "", "") },
		"get":               func(tx store.WriteTx) { tx.Get("a", "") },
		"two entries":       func(tx store.WriteTx) { tx.Append(nil); tx.Append(nil) },
	} {
		_, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error {
			tx.Put("a", "before", []byte("x"))
			fn(tx)
			tx.Put("a", "after", []byte("x"))
			return nil
		})
		require.ErrorIs(f, err, store.ErrInvalid, name)
	}
	require.Empty(f, f.all("a").Records, "a part of a refused update is there")
	err := f.store.View(f.ctx(), func(tx store.ReadTx) error { tx.Get("a", ""); return nil })
	require.ErrorIs(f, err, store.ErrInvalid)
}

func bigValues(f *fixture) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB
	f.update(func(tx store.WriteTx) {
		tx.Put("a", "big", value)
		tx.Append(value)
	})
	f.put("a", "small", "1")
	f.view(func(tx store.ReadTx) {
		got, _ := tx.Get("a", "big")
		require.True(f, bytes.Equal(value, got), "a big value comes back changed (%d bytes of %d)", len(got), len(value))
		for _, entry := range tx.Journal(1, 1) {
			require.True(f, bytes.Equal(value, entry), "a big entry comes back changed")
		}
	})
}

func manyRecords(f *fixture) {
	const n = 5000
	f.update(func(tx store.WriteTx) {
		for i := range n {
			tx.Put("a", fmt.Sprintf("%08d", i), []byte("v"))
		}
	})
	f.update(func(tx store.WriteTx) {
		for key := range tx.Scan("a", "", "") {
			if key[7]%2 == 0 {
				tx.Delete("a", key)
			}
		}
	})
	f.view(func(tx store.ReadTx) { require.Len(f, keys(tx, "a", "", ""), n/2) })
}

func scan(f *fixture) {
	f.update(func(tx store.WriteTx) {
		for _, key := range []string{"b/2", "a", "b/10", "c", "b", "b/1", "b0"} {
			tx.Put("a", key, []byte(key))
		}
		tx.Put("aa", "z", nil)
	})
	for _, c := range []struct {
		prefix, from string
		want         []string
	}{
		{"", "", []string{"a", "b", "b/1", "b/10", "b/2", "b0", "c"}},
		{"b/", "", []string{"b/1", "b/10", "b/2"}},
		{"b/", "b/10", []string{"b/10", "b/2"}},
		{"b/", "a", []string{"b/1", "b/10", "b/2"}},
		{"b/", "c", nil},
		{"", "b/11", []string{"b/2", "b0", "c"}},
		{"d", "", nil},
		{"c", "c\x00", nil},
	} {
		check := func(tx store.ReadTx) {
			require.Equal(f, c.want, keys(tx, "a", c.prefix, c.from), "prefix %q from %q", c.prefix, c.from)
		}
		f.view(check)
		f.update(func(tx store.WriteTx) { check(tx) })
	}
}

func scanMerged(f *fixture) {
	f.update(func(tx store.WriteTx) {
		for _, key := range []string{"b", "d", "f", "x"} {
			tx.Put("a", key, []byte("old"))
		}
	})
	f.update(func(tx store.WriteTx) {
		for _, key := range []string{"a", "d", "e", "g"} {
			tx.Put("a", key, []byte("new"))
		}
		tx.Delete("a", "f")
		tx.Delete("a", "g")
		var got []string
		for key, value := range tx.Scan("a", "", "") {
			got = append(got, key+"="+string(value))
			tx.Put("a", "loop-"+key, nil)
			tx.Delete("a", "x")
		}
		require.Equal(f, []string{"a=new", "b=old", "d=new", "e=new", "x=old"}, got, "a loop sees its own writes, or not those before it")
		require.Equal(f, []string{"a", "b", "d", "e", "loop-a", "loop-b", "loop-d", "loop-e", "loop-x"}, keys(tx, "a", "", ""))
		require.Equal(f, []string{"loop-b", "loop-d", "loop-e", "loop-x"}, keys(tx, "a", "loop-", "loop-b"))
	})
}

func scanStops(f *fixture) {
	f.put("a", "1", "")
	f.put("a", "3", "")
	f.update(func(tx store.WriteTx) {
		tx.Put("a", "2", nil)
		tx.Put("a", "4", nil)
		for stop := 1; stop <= 4; stop++ {
			n := 0
			for range tx.Scan("a", "", "") {
				if n++; n == stop {
					break
				}
			}
			require.Equal(f, stop, n)
		}
	})
}
