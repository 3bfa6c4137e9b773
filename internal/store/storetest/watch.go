package storetest

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
)

// woken is what a Watch returned.
type woken struct {
	number uint64
	err    error
}

func (f *fixture) watch(ctx context.Context, after uint64) <-chan woken {
	result := make(chan woken, 1)
	go func() {
		number, err := f.store.Watch(ctx, after)
		result <- woken{number, err}
	}()
	return result
}

func (f *fixture) wait(result <-chan woken) woken {
	f.Helper()
	select {
	case got := <-result:
		return got
	case <-time.After(patience):
		require.FailNow(f, "watch did not return")
		return woken{}
	}
}

func (f *fixture) asleep(result <-chan woken) {
	f.Helper()
	select {
	case got := <-result:
		require.FailNow(f, "watch returned without cause", "%+v", got)
	case <-time.After(moment):
	}
}

func watchWakes(f *fixture) {
	result := f.watch(f.ctx(), 0)
	f.asleep(result)
	f.put("a", "k", "v")
	require.Equal(f, woken{number: 1}, f.wait(result))

	f.put("a", "k", "v")
	f.put("a", "k", "v")
	require.Equal(f, woken{number: 3}, f.wait(f.watch(f.ctx(), 1)), "what is already newer")

	result = f.watch(f.ctx(), 4)
	f.put("a", "k", "v")
	f.asleep(result)
	f.put("a", "k", "v")
	require.Equal(f, woken{number: 5}, f.wait(result))
	require.EqualValues(f, 5, f.all().Revision, "woken before the revision can be read")
}

func watchQuiet(f *fixture) {
	f.put("a", "k", "v")
	result := f.watch(f.ctx(), 1)
	f.update(func(tx store.WriteTx) { tx.Put("a", "k", []byte("w")) })
	_, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error { tx.Append(nil); return errPlanned })
	require.ErrorIs(f, err, errPlanned)
	f.asleep(result)
	f.put("a", "k", "x")
	require.Equal(f, woken{number: 2}, f.wait(result))
}

func watchAll(f *fixture) {
	var results []<-chan woken
	for range 20 {
		results = append(results, f.watch(f.ctx(), 0))
	}
	time.Sleep(moment)
	f.put("a", "k", "v")
	for _, result := range results {
		require.Equal(f, woken{number: 1}, f.wait(result))
	}
}

func watchContext(f *fixture) {
	ctx, cancel := context.WithCancel(context.Background())
	result := f.watch(ctx, 0)
	f.asleep(result)
	cancel()
	require.ErrorIs(f, f.wait(result).err, context.Canceled)
	f.put("a", "k", "v")
	require.ErrorIs(f, f.wait(f.watch(ctx, 0)).err, context.Canceled)
}

func watchClose(f *fixture) {
	result := f.watch(f.ctx(), 0)
	f.asleep(result)
	require.NoError(f, f.store.Close())
	require.ErrorIs(f, f.wait(result).err, store.ErrClosed)
}
