package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// A server that answers nonsense changes nothing at the follower: it waits,
// says what is wrong, and takes the first good answer.
func TestNonsenseFromThePAP(t *testing.T) {
	t.Parallel()
	const good = `{"to":{"lineage":"l","number":7},"whole":true,"edits":[{"pap":{"alias":"default","place":"V","enabled":true,"public":false}}]}`
	for name, answer := range map[string]func(http.ResponseWriter){
		"not JSON": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
		"cut off":  func(w http.ResponseWriter) { fmt.Fprint(w, good[:len(good)-9]) },
		"twice": func(w http.ResponseWriter) {
			fmt.Fprint(w, strings.Replace(good, `"whole"`, `"whole":true,"whole"`, 1))
		},
		"two values":  func(w http.ResponseWriter) { fmt.Fprint(w, good+good) },
		"no revision": func(w http.ResponseWriter) { fmt.Fprint(w, `{"edits":[],"whole":true}`) },
		"does not follow": func(w http.ResponseWriter) {
			fmt.Fprint(w, strings.Replace(good, `"whole":true,`, `"from":{"lineage":"l","number":6},`, 1))
		},
		"bad ban": func(w http.ResponseWriter) {
			fmt.Fprint(w, strings.Replace(good, `"edits":[`, `"edits":[{"ban":{"id":"b","pap":"default","names":[]}},`, 1))
		},
		"status 500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError); fmt.Fprint(w, good) },
		"status 404": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound); fmt.Fprint(w, good) },
		"redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"unknown kind": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind":"new","message":"m"}`)
		},
		"huge error": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, strings.Repeat("x", 3<<20))
		},
		"connection is cut": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		var asked atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !strings.HasSuffix(r.URL.Path, "/feed"):
				fmt.Fprint(w, "{}")
			case asked.Add(1) == 1:
				answer(w)
			default:
				fmt.Fprint(w, good)
			}
		}))
		transport := &http.Transport{}
		client, err := api.NewClient(&http.Client{Transport: transport}, server.URL)
		require.NoError(t, err)
		f, err := api.NewFollower(api.FollowerOptions{Client: client, Name: "x", Path: filepath.Join(t.TempDir(), "copy")})
		require.NoError(t, err)
		u, err := f.Next(bg, authz.Revision{})
		require.NoError(t, err, name)
		require.Equal(t, authz.Revision{Lineage: "l", Number: 7}, u.To, name)
		require.NotNil(t, u.Base, name)
		require.EqualValues(t, 2, asked.Load(), name)
		transport.CloseIdleConnections()
		server.Close()
	}
}

// A server that takes the question and never answers is given up in time.
func TestSilentPAP(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	client, err := api.NewClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, server.URL)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = client.Ban(ctx, change.Request{}, "default", eve(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 2*time.Second)
}

// A change whose answer was lost on the way is sent to the next address, and is
// done once.
func TestLostAnswerIsNoSecondChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	over := s.over("alice")
	lossy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		forward := r.Clone(r.Context())
		forward.URL.Scheme, forward.URL.Host, forward.RequestURI = "https", s.address, ""
		if answer, err := over.Do(forward); err == nil {
			_ = answer.Body.Close()
		}
		panic(http.ErrAbortHandler)
	}))
	defer lossy.Close()
	c, err := api.NewClient(over, lossy.URL, s.url())
	require.NoError(t, err)
	r, err := c.AddFile(bg, change.Request{}, "default", change.File{Name: "f", Text: policy}, change.At{})
	require.NoError(t, err)
	require.True(t, r.Repeated, "the first address had done it")
	units, err := c.Units(bg, "default")
	require.NoError(t, err)
	require.Len(t, units, 3)
}
