package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const (
	boss = "/DC=org/DC=grid/CN=Site Admin"
	node = "/DC=org/DC=grid/OU=hosts/CN=ce.example.org"
)

// asking makes the question that pap/api asks about somebody with a certificate;
// limited is "" where nobody verified whether the proxy is limited.
func asking(t *testing.T, name, limited, action string) *authz.Request {
	t.Helper()
	r := &authz.Request{}
	subject, err := authz.ParseDN(name)
	require.NoError(t, err)
	r.Add(authz.Subject, profile.SubjectID, authz.DNValue(subject))
	if limited != "" {
		r.Add(authz.Subject, profile.LimitedProxy, authz.BooleanValue(limited == "true"))
	}
	r.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	return r
}

// bearing makes the question about somebody with a token.
func bearing(issuer, subject, action string) *authz.Request {
	r := &authz.Request{}
	r.Add(authz.Subject, profile.OIDCIssuer, authz.StringValue(issuer))
	r.Add(authz.Subject, profile.OIDCSubject, authz.StringValue(subject))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	return r
}

func together(a, b *authz.Request) *authz.Request {
	a.Attributes = append(a.Attributes, b.Attributes...)
	return a
}

// ⚿ DECISIONS 19: the configuration and the admin policy say who administers,
// nobody else; a ban in the admin policy outranks the configuration; a limited
// proxy administers nothing; a follower may follow and no more.
func TestWhoAdministers(t *testing.T) {
	decide := func(policy authz.Decision, r *authz.Request) authz.Decision {
		a := &administrators{engine: always(policy)}
		var err error
		a.named, err = readNamed([]string{boss, "https://iam.test/#boss"})
		require.NoError(t, err)
		a.followers, err = readNamed([]string{node, "https://iam.test/#node"})
		require.NoError(t, err)
		response, err := a.Decide(t.Context(), r)
		require.NoError(t, err)
		return response.Decision
	}
	const ban, follow = profile.ActionBan, profile.ActionFollow
	for name, c := range map[string]struct {
		policy  authz.Decision // what the admin policy says
		request *authz.Request
		want    authz.Decision
	}{
		"named":                        {authz.NotApplicable, asking(t, boss, "false", ban), authz.Permit},
		"named, banned":                {authz.Deny, asking(t, boss, "false", ban), authz.Deny},
		"named, policy is broken":      {authz.Indeterminate, asking(t, boss, "false", ban), authz.Indeterminate},
		"named, limited proxy":         {authz.NotApplicable, asking(t, boss, "true", ban), authz.Deny},
		"named, nobody looked":         {authz.NotApplicable, asking(t, boss, "", ban), authz.Deny},
		"permitted, limited proxy":     {authz.Permit, asking(t, boss, "true", ban), authz.Deny},
		"stranger":                     {authz.NotApplicable, asking(t, "/DC=org/DC=grid/CN=Site Adm1n", "false", ban), authz.NotApplicable},
		"order of the RDNs":            {authz.NotApplicable, asking(t, "/DC=grid/DC=org/CN=Site Admin", "false", ban), authz.NotApplicable},
		"longer name":                  {authz.NotApplicable, asking(t, boss+"/CN=proxy", "false", ban), authz.NotApplicable},
		"follower follows":             {authz.NotApplicable, asking(t, node, "false", follow), authz.Permit},
		"follower bans":                {authz.NotApplicable, asking(t, node, "false", ban), authz.NotApplicable},
		"follower writes policy":       {authz.NotApplicable, asking(t, node, "false", profile.ActionPolicyWrite), authz.NotApplicable},
		"follower, banned from it all": {authz.Deny, asking(t, node, "false", follow), authz.Deny},
		"token":                        {authz.NotApplicable, bearing("https://iam.test/", "boss", ban), authz.Permit},
		"token, banned":                {authz.Deny, bearing("https://iam.test/", "boss", ban), authz.Deny},
		"token of another":             {authz.NotApplicable, bearing("https://iam.test/", "bos", ban), authz.NotApplicable},
		"token of another issuer":      {authz.NotApplicable, bearing("https://iam.test", "boss", ban), authz.NotApplicable},
		"token of a name like a DN":    {authz.NotApplicable, bearing("https://iam.test/", boss, ban), authz.NotApplicable},
		"token that follows":           {authz.NotApplicable, bearing("https://iam.test/", "node", follow), authz.Permit},
		"token that follows and bans":  {authz.NotApplicable, bearing("https://iam.test/", "node", ban), authz.NotApplicable},
		"token and limited proxy":      {authz.NotApplicable, together(asking(t, boss, "true", ban), bearing("https://iam.test/", "boss", ban)), authz.Deny},
		"token, nobody looked":         {authz.NotApplicable, together(asking(t, boss, "", ban), bearing("https://iam.test/", "boss", ban)), authz.Deny},
		"token and certificate":        {authz.NotApplicable, together(asking(t, "/CN=x", "false", ban), bearing("https://iam.test/", "boss", ban)), authz.Permit},
	} {
		require.Equal(t, c.want, decide(c.policy, c.request), name)
	}
}

func TestNobodyIsNamedByAccident(t *testing.T) {
	asserted := asking(t, boss, "false", profile.ActionBan)
	for i := range asserted.Attributes {
		asserted.Attributes[i].Standing = authz.Presented
	}
	a := &administrators{engine: always(authz.NotApplicable)}
	var err error
	a.named, err = readNamed([]string{boss})
	require.NoError(t, err)
	response, err := a.Decide(t.Context(), asserted)
	require.NoError(t, err)
	require.Equal(t, authz.Deny, response.Decision, "a name that nobody verified")
}

// ⚿ DECISIONS 19: the door for root is closed to everybody else, by its mode
// and, should that ever be loosened, by the kernel's word about who calls.
func TestRootDoorIsForRoot(t *testing.T) {
	for name, want := range map[string]authz.Decision{socketPeer(0): authz.Permit, socketPeer(998): authz.Permit, socketPeer(61998): authz.Deny, "": authz.Deny} {
		response, err := rootDoor{uid: 998}.Decide(t.Context(), &authz.Request{Peer: name})
		require.NoError(t, err)
		require.Equal(t, want, response.Decision, name)
	}
	_, err := socketCaller(httpRequest(t))
	require.ErrorContains(t, err, "does not say who", "not by a socket")

	if os.Geteuid() != 0 {
		t.Skip("knocks as another user: needs root")
	}
	site := newRunning(t, nil)
	door := string(site.config.PAP.Socket)
	// The worst case: somebody opens the door to everybody.
	for path := filepath.Dir(door); path != site.world.dir && path != "/"; path = filepath.Dir(path) {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	for mode, want := range map[os.FileMode]string{0o600: "permission denied", 0o666: "only root may use this socket"} {
		require.NoError(t, os.Chmod(door, mode))
		conn, err := dialAs(61998, door)
		if err == nil {
			err = knock(t, conn)
		}
		require.ErrorContains(t, err, want, mode)
	}
}

// dialAs opens a unix socket as another user: of one thread, which then ends.
func dialAs(uid uintptr, path string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is not reused
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
			err = errno
			return
		}
		conn, err = net.Dial("unix", path)
	}()
	<-done
	return conn, err
}

// knock asks for the bans, as a stranger would begin.
func knock(t *testing.T, conn net.Conn) error {
	t.Helper()
	once := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true}
	c, err := api.NewClient(&http.Client{Transport: once}, "http://localhost")
	require.NoError(t, err)
	bans, err := c.Bans(t.Context(), change.DefaultPAP)
	require.Empty(t, bans)
	return err
}

// always answers the same.
type always authz.Decision

func (d always) Decide(context.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{Decision: authz.Decision(d)}, nil
}

func httpRequest(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://local/", strings.NewReader(""))
	require.NoError(t, err)
	return r
}
