package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	policy = authz.Revision{Lineage: "ab", Number: 42}
	cms042 = authz.Account{
		Name: "cms042", UID: 20042, Group: authz.Group{Name: "cms", GID: 2000}, Groups: []authz.Group{{Name: "grid", GID: 2001}},
		Source: "grid-mapfile:3, pool cms", Lease: "cms-1f",
	}
	errNobody = errors.New("no line matches")
	errAway   = errors.New("the store does not answer")
)

// site is a service and what stands behind it.
type site struct {
	peer    Peer
	peerErr error
	account authz.Account
	err     error
	asked   *authz.Request
	login   string
	records []authz.Record
	unwrite error
	checks  error // of the client
	now     time.Time
}

func (s *site) Map(_ context.Context, r *authz.Request) (authz.Account, error) {
	s.asked = r
	a := s.account
	a.Revision, a.Expires = r.Decided, s.now.Add(time.Minute)
	return a, s.err
}

func (s *site) Named(ctx context.Context, r *authz.Request, login string) (authz.Account, error) {
	s.login = login
	return s.Map(ctx, r)
}

func (s *site) Confirm(_ context.Context, a authz.Account) (authz.Account, error) {
	a.Expires = s.now.Add(time.Minute)
	return a, s.err
}

func (s *site) Record(_ context.Context, r authz.Record) error {
	s.records = append(s.records, r)
	return s.unwrite
}

// verify takes a chain of one certificate, whose bytes are the subject's name,
// and a token that says "good".
func verify(_ context.Context, chain [][]byte, token string) (*authz.Credential, error) {
	switch {
	case len(chain) > 0 && string(chain[0]) == "revoked":
		return &authz.Credential{Subject: "revoked", Err: errors.New("the certificate is revoked")}, nil
	case len(chain) > 0:
		return &authz.Credential{Subject: string(chain[0]), Value: "chain"}, nil
	case token != "good":
		return nil, errors.New("the signature is wrong")
	}
	return &authz.Credential{Subject: "token", Value: "token"}, nil
}

// present shows a credential whose value is the name in its chain, or a token.
func present(c *authz.Credential) ([][]byte, string, error) {
	switch v := c.Value.(type) {
	case string:
		return [][]byte{[]byte(v)}, "", nil
	case []byte:
		return nil, string(v), nil
	}
	return nil, "", nil
}

type named struct{}

func (named) Enrich(_ context.Context, r *authz.Request) error {
	if r.Credential != nil && r.Credential.Value == "chain" {
		d, err := authz.ParseDN(r.Credential.Subject)
		if err != nil {
			return err
		}
		r.Add(authz.Subject, profile.SubjectID, authz.DNValue(d))
	}
	return nil
}

func (s *site) handler() http.Handler {
	return NewHandler(Options{
		Mapper: s, Peer: func(*http.Request) (Peer, error) { return s.peer, s.peerErr }, Verify: verify, Enrichers: []authz.Enricher{named{}},
		Verdict: func(err error) bool { return errors.Is(err, errNobody) }, Recorder: s, Now: func() time.Time { return s.now },
	})
}

func newSite() *site { return &site{peer: Peer{Name: "pep1"}, account: cms042, now: noon} }

// client talks to the handlers, one address each.
func (s *site) client(t *testing.T, handlers ...http.Handler) *Client {
	t.Helper()
	var addresses []string
	var transport http.RoundTripper
	for _, h := range handlers {
		server := httptest.NewTLSServer(h)
		t.Cleanup(server.Close)
		addresses, transport = append(addresses, server.URL), server.Client().Transport
	}
	c, err := NewClient(ClientOptions{
		Addresses: addresses, HTTP: &http.Client{Transport: transport}, Present: present, Timeout: time.Second,
		Check: func(context.Context, authz.Account) error { return s.checks }, Now: func() time.Time { return noon },
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const ann = "/C=XX/O=Org/CN=Ann Other"

func shown(value any) *authz.Request {
	return &authz.Request{ID: "d1", Decided: policy, Credential: &authz.Credential{Value: value}}
}

func asserting(mayMap bool) *authz.Request {
	r := &authz.Request{ID: "d1", Decided: policy, MayMap: mayMap}
	d, _ := authz.ParseDN(ann)
	f, _ := authz.ParseFQAN("/cms/Role=pilot")
	r.Add(authz.Subject, profile.SubjectID, authz.DNValue(d))
	r.Add(authz.Subject, profile.FQAN, authz.FQANValue(f))
	r.Add(authz.Subject, profile.CredentialStrength, authz.StringValue("strong"))
	r.Add(authz.Subject, profile.Network, authz.StringValue("192.0.2.1"))
	r.Add(authz.Action, profile.ActionID, authz.StringValue("submit"))
	r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: profile.PrimaryFQAN, Values: []authz.Value{authz.FQANValue(f)}})
	return r
}

func TestACallerWithAChainGetsAnAccount(t *testing.T) {
	s := newSite()
	got, err := s.client(t, s.handler()).Map(t.Context(), shown(ann))
	require.NoError(t, err)
	want := cms042
	want.Revision, want.Expires = policy, noon.Add(time.Minute)
	require.True(t, strings.HasSuffix(got.Source, ": "+want.Source), got.Source)
	got.Source = want.Source
	require.Equal(t, want, got)
	v, ok := s.asked.Verified(authz.Subject, profile.SubjectID)
	require.True(t, ok, "the service finds the name in the chain")
	require.Equal(t, ann, v.Data().(authz.DN).Slash())
	require.Equal(t, policy, s.asked.Decided)
	require.False(t, s.asked.MayMap)
	require.Len(t, s.records, 1)
	require.Equal(t, "Permit", s.records[0].Decision)
	require.Equal(t, "pep1", s.records[0].Peer)
}

func TestATokenAndANameFromAPolicy(t *testing.T) {
	s := newSite()
	_, err := s.client(t, s.handler()).Named(t.Context(), shown([]byte("good")), ".cms")
	require.NoError(t, err)
	require.Equal(t, ".cms", s.login)
	require.Equal(t, "token", s.asked.Credential.Value)
}

// ⚿ What a peer asserts counts only if it may map, and then only what it has
// verified, never the strength.
func TestAssertedIdentities(t *testing.T) {
	s := newSite()
	c := s.client(t, s.handler())
	_, err := c.Map(t.Context(), asserting(true))
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "right map")
	require.Nil(t, s.asked)

	s.peer.Map = true
	_, err = c.Map(t.Context(), asserting(true))
	require.NoError(t, err)
	require.True(t, s.asked.MayMap)
	_, primary := s.asked.Verified(authz.Subject, profile.PrimaryFQAN)
	require.False(t, primary, "an attribute that was only presented")
	_, strength := s.asked.Verified(authz.Subject, profile.CredentialStrength)
	require.False(t, strength)
	_, action := s.asked.Verified(authz.Action, profile.ActionID)
	require.False(t, action)
	fqan, ok := s.asked.Verified(authz.Subject, profile.FQAN)
	require.True(t, ok)
	require.IsType(t, authz.FQAN{}, fqan.Data())

	_, err = c.Map(t.Context(), asserting(false))
	require.NoError(t, err)
	require.False(t, s.asked.MayMap, "the peer's own peer may not map")
}

// ⚿ A credential that the service does not accept gives nothing, and one that
// the enforcement point cannot show is no anonymous caller.
func TestRefusedCredentials(t *testing.T) {
	for name, r := range map[string]*authz.Request{
		"revoked":                  shown("revoked"),
		"bad token":                shown([]byte("forged")),
		"of a kind never shown":    shown(17),
		"refused here":             {ID: "d1", Decided: policy, Credential: &authz.Credential{Value: ann, Err: errors.New("expired")}},
		"beside one refused":       {ID: "d1", Credential: &authz.Credential{Value: ann, Beside: &authz.Credential{Err: errors.New("expired")}}},
		"without a decision":       {Credential: &authz.Credential{Value: ann}},
		"of more than can be sent": shown(strings.Repeat("x", MaxQuestion)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			_, err := s.client(t, s.handler()).Map(t.Context(), r)
			require.ErrorIs(t, err, ErrRefused)
			require.NotErrorIs(t, err, ErrUnavailable)
			require.Nil(t, s.asked)
		})
	}
}

// strangers refuses every credential, as pip.Token does one of two people.
type strangers struct{}

func (strangers) Enrich(_ context.Context, r *authz.Request) error {
	r.Credential = &authz.Credential{Subject: ann, Err: errors.New("not linked as one person")}
	return nil
}

// ⚿ What an enricher of the service refuses gets no account either, not even a
// shared one that the policies of the peer name.
func TestCredentialsRefusedByEnrichers(t *testing.T) {
	s := newSite()
	h := NewHandler(Options{
		Mapper: s, Peer: func(*http.Request) (Peer, error) { return Peer{Name: "pep1", Map: true}, nil }, Verify: verify, Enrichers: []authz.Enricher{named{}, strangers{}},
		Verdict: func(error) bool { return false }, Recorder: s, Now: func() time.Time { return s.now },
	})
	c := s.client(t, h)
	for name, r := range map[string]*authz.Request{"shown": shown(ann), "asserted": asserting(true)} {
		_, err := c.Named(t.Context(), r, "guest")
		require.ErrorIs(t, err, ErrRefused, name)
		require.ErrorContains(t, err, "not linked as one person", name)
		_, err = c.Map(t.Context(), r)
		require.ErrorIs(t, err, ErrRefused, name)
		require.Nil(t, s.asked, name)
	}
}

func TestRefusalAndUnavailabilityAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*site)
		want  error
	}{
		"nobody":            {func(s *site) { s.err = fmt.Errorf("line 3: %w", errNobody) }, ErrRefused},
		"store away":        {func(s *site) { s.err = errAway }, ErrUnavailable},
		"unknown peer":      {func(s *site) { s.peerErr = errors.New("not in the configuration") }, ErrUnavailable},
		"no audit trail":    {func(s *site) { s.unwrite = errors.New("disk full") }, ErrUnavailable},
		"root":              {func(s *site) { s.account.UID = 0 }, ErrRefused},
		"not on this host":  {func(s *site) { s.checks = errors.New("no such account") }, ErrRefused},
		"directory is away": {func(s *site) { s.checks = fmt.Errorf("%w: LDAP", ErrUnavailable) }, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			c.spoil(s)
			got, err := s.client(t, s.handler()).Map(t.Context(), shown(ann))
			require.ErrorIs(t, err, c.want)
			require.Zero(t, got)
			other := map[error]error{ErrRefused: ErrUnavailable, ErrUnavailable: ErrRefused}[c.want]
			require.NotErrorIs(t, err, other)
		})
	}
}

// ⚿ A service gone bad, or somebody between, gets nothing believed that the
// enforcement point can check.
func TestAnswersThatAreNotBelieved(t *testing.T) {
	good := func() map[string]any {
		return map[string]any{"decision": "d1", "account": map[string]any{
			"name": "cms042", "uid": 20042, "group": map[string]any{"name": "cms", "gid": 2000},
			"revision": map[string]any{"lineage": "ab", "number": 42}, "expires": noon.Add(time.Minute),
		}}
	}
	account := func(m map[string]any) map[string]any { return m["account"].(map[string]any) }
	text := func(spoil func(map[string]any)) string {
		m := good()
		spoil(m)
		data, _ := json.Marshal(m)
		return string(data)
	}
	plain := text(func(map[string]any) {})
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"uid 0":              {text(func(m map[string]any) { account(m)["uid"] = 0 }), 200},
		"uid -1":             {text(func(m map[string]any) { account(m)["uid"] = 1<<32 - 1 }), 200},
		"uid too large":      {text(func(m map[string]any) { account(m)["uid"] = 1 << 32 }), 200},
		"group 0":            {text(func(m map[string]any) { account(m)["group"] = map[string]any{"name": "root", "gid": 0} }), 200},
		"second group 0":     {text(func(m map[string]any) { account(m)["groups"] = []any{map[string]any{"name": "root", "gid": 0}} }), 200},
		"no group":           {text(func(m map[string]any) { delete(account(m), "group") }), 200},
		"name":               {text(func(m map[string]any) { account(m)["name"] = "-a" }), 200},
		"no name":            {text(func(m map[string]any) { account(m)["name"] = "" }), 200},
		"path in the name":   {text(func(m map[string]any) { account(m)["name"] = "../root" }), 200},
		"ended":              {text(func(m map[string]any) { account(m)["expires"] = noon }), 200},
		"never ends":         {text(func(m map[string]any) { delete(account(m), "expires") }), 200},
		"another revision":   {text(func(m map[string]any) { account(m)["revision"] = map[string]any{"lineage": "ab", "number": 41} }), 200},
		"another decision":   {text(func(m map[string]any) { m["decision"] = "d2" }), 200},
		"unknown key":        {text(func(m map[string]any) { account(m)["shell"] = "/bin/sh" }), 200},
		"a key twice":        {strings.Replace(plain, `"uid":20042`, `"uid":20042,"uid":20043`, 1), 200},
		"another case":       {strings.Replace(plain, `"uid"`, `"UID"`, 1), 200},
		"two values":         {plain + plain, 200},
		"too large":          {plain + strings.Repeat(" ", MaxAnswer), 200},
		"not 200":            {plain, 203},
		"redirect":           {plain, 307},
		"refusal of no sort": {`{"kind":"refused","kind":"x","message":""}`, 403},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			c := s.client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://127.0.0.1:1/")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			got, err := c.Map(t.Context(), shown(ann))
			require.Error(t, err)
			require.Zero(t, got)
		})
	}
	s := newSite()
	long := text(func(m map[string]any) { account(m)["expires"] = noon.Add(24 * time.Hour) })
	got, err := s.client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(long)) })).Map(t.Context(), shown(ann))
	require.NoError(t, err, "the answer that is spoilt above is a good one")
	require.Equal(t, noon.Add(MaxLife), got.Expires, "no answer is good for longer")
}

// ⚿ Questions that no client of ours asks.
func TestQuestionsThatAreNotAnswered(t *testing.T) {
	for name, c := range map[string]struct{ body, kind, path string }{
		"unknown key":             {`{"decision":"d","root":true}`, "", ""},
		"a key twice":             {`{"decision":"d","decision":"e"}`, "", ""},
		"no decision":             {`{"chain":["QQ=="]}`, "", ""},
		"asserted beside a chain": {`{"decision":"d","chain":["QQ=="],"asserted":[{"id":"a","type":"` + string(authz.String) + `","values":["x"]}]}`, "", ""},
		"may-map alone":           {`{"decision":"d","may-map":true}`, "", ""},
		"a value that is none":    {`{"decision":"d","asserted":[{"id":"` + profile.VO + `","type":"` + string(authz.Integer) + `","values":["x"]}]}`, "", ""},
		"strength":                {`{"decision":"d","asserted":[{"id":"` + profile.CredentialStrength + `","type":"` + string(authz.String) + `","values":["strong"]}]}`, "", ""},
		"something else":          {`{"decision":"d","asserted":[{"id":"` + profile.ActionID + `","type":"` + string(authz.String) + `","values":["x"]}]}`, "", ""},
		"an account to map":       {`{"decision":"d","account":{"name":"a","uid":1,"group":{"name":"g","gid":1}}}`, "", ""},
		"confirm nothing":         {`{"decision":"d"}`, "", "confirm"},
		"confirm with a chain":    {`{"decision":"d","chain":["QQ=="],"account":{"name":"a","uid":1,"group":{"name":"g","gid":1}}}`, "", "confirm"},
		"as a form":               {`{"decision":"d"}`, "application/x-www-form-urlencoded", ""},
		"too large":               {`{"decision":"` + strings.Repeat("d", MaxQuestion) + `"}`, "", ""},
		"trailing":                {`{"decision":"d"}{}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			s.peer.Map = true
			if c.kind == "" {
				c.kind = "application/json"
			}
			if c.path == "" {
				c.path = "map"
			}
			r := httptest.NewRequest(http.MethodPost, Path+c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			s.handler().ServeHTTP(w, r)
			require.Equal(t, http.StatusBadRequest, w.Code, w.Body)
			require.Nil(t, s.asked)
		})
	}
}

func TestTheNextAddressIsAsked(t *testing.T) {
	s := newSite()
	var asked atomic.Int32
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(http.StatusBadGateway) })
	c := s.client(t, down, s.handler())
	for range 3 {
		_, err := c.Map(t.Context(), shown(ann))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, asked.Load(), "the one that answered is asked first")
	s.err = errNobody
	_, err := c.Map(t.Context(), shown(ann))
	require.ErrorIs(t, err, ErrRefused)
	require.EqualValues(t, 1, asked.Load(), "a refusal is an answer: nobody else is asked")
}

// Somebody of whom nothing is known but where they call from is anonymous.
func TestAnonymous(t *testing.T) {
	s := newSite()
	r := &authz.Request{ID: "d1", Decided: policy}
	r.Add(authz.Subject, profile.Network, authz.StringValue("192.0.2.1"))
	_, err := s.client(t, s.handler()).Map(t.Context(), r)
	require.NoError(t, err)
	require.Nil(t, s.asked.Credential)
	require.Empty(t, s.asked.Attributes)
}

func TestConfirm(t *testing.T) {
	s := newSite()
	c := s.client(t, s.handler())
	got, err := c.Confirm(t.Context(), cms042)
	require.NoError(t, err)
	want := cms042
	want.Expires = noon.Add(time.Minute)
	require.Equal(t, want, got)
	s.err = errNobody
	_, err = c.Confirm(t.Context(), cms042)
	require.ErrorIs(t, err, ErrRefused)
}

func FuzzQuestion(f *testing.F) {
	f.Add([]byte(`{"decision":"d","chain":["QQ=="],"login":".cms"}`))
	f.Add([]byte(`{"decision":"d","may-map":true,"asserted":[{"id":"a","type":"` + string(authz.X500Name) + `","values":["/CN=a"]}]}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var q question
		if q.parse(data) == nil {
			_, _ = q.attributes()
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"decision":"d","account":{"name":"a","uid":1,"group":{"name":"g","gid":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a answer
		if strict(data, &a) == nil && checkAccount(&a.Account) == nil {
			require.NotZero(t, a.Account.UID)
			require.NotZero(t, a.Account.Group.GID)
		}
	})
}
