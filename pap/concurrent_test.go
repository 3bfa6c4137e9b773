package pap_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// Eight administrators at once, on a real file: no number is given twice, and a
// follower that takes updates as they come ends where a newcomer begins.
func TestFollowWhileManyWrite(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "gatehouse.db"), bolt.Options{})
	require.NoError(t, err)
	defer store.Close()
	service, err := pap.Open(bg, pap.Options{Store: store})
	require.NoError(t, err)
	f := &follower{t: t, source: service}
	f.catchUp()

	const each = 20
	numbers := make(chan uint64, writers*each)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				result, err := scribble(service, w, i)
				if err != nil {
					t.Errorf("writer %d, change %d: %v", w, i, err)
				}
				if result.Changed {
					numbers <- result.Revision.Number
				}
			}
		})
	}
	go func() { wg.Wait(); close(numbers) }()
	given := map[uint64]bool{}
	for n := range numbers {
		require.False(t, given[n], "revision %d was given twice", n)
		given[n] = true
		if f.at().Number < n {
			f.catchUp()
		}
	}
	at, err := service.Revision(bg)
	require.NoError(t, err)
	require.Len(t, given, int(at.Number)-1, "every revision but the first was given to somebody")
	whole, err := service.Next(bg, authz.Revision{})
	require.NoError(t, err)
	require.Equal(t, flat(whole.Base), flat(f.snapshot))
}

// scribble makes one of some changes that get into each other's way.
func scribble(service *pap.Service, w, i int) (change.Result, error) {
	request := by(fmt.Sprintf("writer %d", w))
	request.Force = true
	switch i % 4 {
	case 0:
		return service.Unban(bg, request, "default", dn(fmt.Sprintf("/CN=%d", (w+i)%5)))
	case 1:
		return service.AddRule(bg, request, "default", change.Rule{
			Permit: true, Names: []change.Name{{Attribute: "vo", Value: fmt.Sprintf("%d-%d", w, i)}}, Resource: "r", Action: fmt.Sprint(i % 3),
		})
	default:
		return service.Ban(bg, request, "default", dn(fmt.Sprintf("/CN=%d", (w+i)%5)), dn(fmt.Sprintf("/CN=%d %d", w, i)))
	}
}
