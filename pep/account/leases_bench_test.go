package account

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// BenchmarkMapLeased is a whole mapping of people who have their leases: map files,
// group map, look-up of the lease and of its account, rules. What a million
// leases do to the look-up is measured in package pool.
func BenchmarkMapLeased(b *testing.B) {
	const people = 1000
	text := "pooluser 20000 users=10000\n"
	for i := 1; i <= people; i++ {
		text += fmt.Sprintf("cms%04d %d pool=2000 cms=10010\n", i, 20000+i)
	}
	file, err := ParseFile([]byte(text))
	require.NoError(b, err)
	kept, err := bolt.Open(filepath.Join(b.TempDir(), "leases.db"), bolt.Options{})
	require.NoError(b, err)
	defer kept.Close()
	d := Cache(file, time.Minute, nil)
	pools, err := pool.Open(b.Context(), kept, pool.Config{
		Pools: []pool.Definition{{Name: "cms"}}, Names: file.Names, Directory: Guard(d, Rules{}), Alone: true,
	})
	require.NoError(b, err)
	s := &setting{dir: b.TempDir()}
	m, err := NewMapper(b.Context(), Config{
		Directory: d, AccountMap: s.write(b, "grid-mapfile", "\"/cms/*\" .cms\n"), GroupMap: s.write(b, "group-mapfile", "\"/cms\" cms\n"),
		Leases: pools, Roster: pools, Prefer: Preference{DNForLogin: true, DNForGroup: true},
	})
	require.NoError(b, err)
	var all []*authz.Request
	for i := range people {
		name := fmt.Sprintf("/DC=org/DC=grid/OU=people/CN=User Number %d", i)
		r := verified(b, caller(b, name, "/cms", "/cms/prod"), name, "/DC=org/DC=grid/CN=CA")
		_, err := m.Map(b.Context(), r)
		require.NoError(b, err)
		all = append(all, r)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := m.Map(b.Context(), all[i%people]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
