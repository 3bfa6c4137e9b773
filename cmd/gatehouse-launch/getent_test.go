package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/stretchr/testify/require"
)

// fakeGetent is a getent whose database is a shell script.
func fakeGetent(t *testing.T, script string) (*getent, *time.Time) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "getent")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	now := time.Now()
	return newGetent(path, func() time.Time { return now }), &now
}

func TestGetent(t *testing.T) {
	g, _ := fakeGetent(t, `case "$1 $2" in
	"passwd alice") echo "alice:x:2001:2100:Alice:/home/alice:/bin/sh";;
	"passwd 0") echo "root:x:0:0:root:/root:/bin/sh";;
	"passwd minus") echo "minus:x:4294967295:1:::";;
	"passwd huge") echo "huge:x:4294967296:1:::";;
	"passwd short") echo "short:x:1";;
	"passwd two") echo "two:x:2001:1:::"; echo "two:x:2002:1:::";;
	"group grid") echo "grid:x:2100:alice,bob";;
	"group away") exit 3;;
	*) exit 2;;
	esac`)
	uid, gid, err := g.User(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, []uint32{2001, 2100}, []uint32{uid, gid})
	gid, err = g.Group(t.Context(), "grid")
	require.NoError(t, err)
	require.Equal(t, uint32(2100), gid)
	_, err = g.Group(t.Context(), "ghosts")
	require.ErrorIs(t, err, launch.ErrNoGroup)
	_, err = g.Group(t.Context(), "away")
	require.Error(t, err)
	require.NotErrorIs(t, err, launch.ErrNoGroup, "no answer is not: no such group")
	for _, name := range []string{"ghost", "0", "minus", "huge", "short", "two", "-s", "", "a b", "a:b", "a\nb"} {
		_, _, err = g.User(t.Context(), name)
		require.Error(t, err, name)
	}
}

func TestGetentKeepsAnswersForAMinute(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	g, now := fakeGetent(t, `echo >> `+count+`; echo "alice:x:2001:2100:Alice:/home/alice:/bin/sh"`)
	asked := func() int64 {
		_, _, err := g.User(t.Context(), "alice")
		require.NoError(t, err)
		info, err := os.Stat(count)
		require.NoError(t, err)
		return info.Size()
	}
	require.Equal(t, int64(1), asked())
	require.Equal(t, int64(1), asked())
	*now = now.Add(getentFresh)
	require.Equal(t, int64(2), asked())
}

func TestRealGetent(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	uid, _, err := newGetent(getentPath, time.Now).User(t.Context(), me.Username)
	require.NoError(t, err)
	require.Equal(t, me.Uid, strconv.Itoa(int(uid)))
}
