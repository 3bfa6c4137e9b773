package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// trail keeps what is recorded, or fails as a full disk does.
type trail struct {
	records []authz.Record
	full    bool
}

func (t *trail) Record(_ context.Context, r authz.Record) error {
	if t.full && r.Decision == authz.Permit.String() {
		return errors.New("no space left")
	}
	t.records = append(t.records, r)
	return nil
}

const wishedJob = "0123456789abcdef0123456789abcdef"

var wishedAccount = authz.Account{Name: "ann", UID: 10001, Group: authz.Group{Name: "users", GID: 10000}, Groups: []authz.Group{{Name: "physics", GID: 10010}}}

func wished(o launch.Operation) launch.Wish {
	order := launch.Order{Operation: o, Job: wishedJob}
	switch o {
	case launch.Start:
		order.Executable, order.Digest, order.Args = "sleepyAdd/sleepyadd", [sha256.Size]byte{1}, []string{"sleepyadd"}
		order.Limits = launch.Limits{CPU: time.Second, Wall: time.Second}
	case launch.Signal:
		order.Signal = launch.Terminate
	}
	return launch.Wish{Order: order, Account: wishedAccount, Revision: authz.Revision{Lineage: "l", Number: 7}, Decision: "d1"}
}

func newTestSigner(t *testing.T) (*signer, *trail, *launch.Verifier) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	pen, err := launch.NewSigner(private, "local", time.Now)
	require.NoError(t, err)
	verifier, err := launch.NewVerifier(public, "local")
	require.NoError(t, err)
	directory, err := account.ParseFile([]byte(accountsText + "bob2 10003 users=10000\ndocky 10004 users=10000 docker=998\n"))
	require.NoError(t, err)
	gridmap := filepath.Join(t.TempDir(), "grid-mapfile")
	require.NoError(t, os.WriteFile(gridmap, []byte("\"/CN=ann\" ann\n"), 0o644))
	mapping, err := account.NewMapper(t.Context(), account.Config{Directory: directory, AccountMap: gridmap, Shared: []string{"community"}})
	require.NoError(t, err)
	recorded := &trail{}
	return &signer{
		pen: pen, executables: map[string][sha256.Size]byte{"sleepyAdd/sleepyadd": {1}}, mapping: mapping, names: accountNames{directory}, rules: (&SignerConfig{}).rules(1000),
		limit: rate.NewLimiter(1000, 1000), recorder: recorded, now: time.Now,
	}, recorded, verifier
}

func TestSignerSignsWhatTheMappingGives(t *testing.T) {
	s, recorded, verifier := newTestSigner(t)
	for _, o := range []launch.Operation{launch.Start, launch.Signal, launch.Read, launch.List, launch.Stat, launch.Remove} {
		w := wished(o)
		signed, err := s.Grant(t.Context(), w)
		require.NoError(t, err, o)
		granted, err := verifier.Verify(signed, w.Order, time.Now())
		require.NoError(t, err, o)
		require.Equal(t, wishedAccount, granted.Account)
	}
	require.Len(t, recorded.records, 6, "one record per grant")
	r := recorded.records[0]
	require.Equal(t, []string{"signer", "grant start", "Permit", "ann", "d1", launch.Tag(wishedJob)}, []string{r.Process, r.Action, r.Decision, r.Account, r.ID, r.Resource})
	require.Contains(t, r.Message, "sleepyAdd/sleepyadd sha256:")
	require.NotContains(t, r.Message+r.Resource, wishedJob, "the session id is a secret")
}

// ⚿ DECISIONS 27: the container cannot have an account granted that nobody is
// mapped to, that is not what the system says, or that is privileged.
func TestSignerIsNoBlindPen(t *testing.T) {
	users := authz.Group{Name: "users", GID: 10000}
	for name, c := range map[string]struct {
		account authz.Account
		want    string
	}{
		"nobody is mapped there":     {authz.Account{Name: "bob2", UID: 10003, Group: users}, "neither the account map"},
		"there is no such account":   {authz.Account{Name: "ghost", UID: 10009, Group: users}, "neither the account map"},
		"root":                       {authz.Account{Name: "root", Group: authz.Group{Name: "root"}}, "neither the account map"},
		"another uid":                {authz.Account{Name: "ann", UID: 10002, Group: users}, "the directory says 10001"},
		"uid 0 under a good name":    {authz.Account{Name: "ann", Group: users}, "the directory says 10001"},
		"a group of somebody else":   {authz.Account{Name: "ann", UID: 10001, Group: users, Groups: []authz.Group{{Name: "community", GID: 10100}}}, "neither its own"},
		"a privileged group":         {authz.Account{Name: "ann", UID: 10001, Group: users, Groups: []authz.Group{{Name: "docker", GID: 998}}}, "neither its own"},
		"another number for a group": {authz.Account{Name: "ann", UID: 10001, Group: users, Groups: []authz.Group{{Name: "physics", GID: 0}}}, "neither its own"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []launch.Operation{launch.Start, launch.Read, launch.List, launch.Stat} {
				s, recorded, _ := newTestSigner(t)
				w := wished(o)
				w.Account = c.account
				signed, err := s.Grant(t.Context(), w)
				require.ErrorIs(t, err, launch.ErrForbidden)
				require.ErrorContains(t, err, c.want)
				require.Empty(t, signed)
				require.Len(t, recorded.records, 1)
				require.Equal(t, "Deny", recorded.records[0].Decision)
				require.Contains(t, recorded.records[0].Cause, c.want)
			}
		})
	}
	t.Run("removing is bound by the account rules", func(t *testing.T) {
		s, _, _ := newTestSigner(t)
		w := wished(launch.Remove)
		w.Account = authz.Account{Name: "root", Group: authz.Group{Name: "root"}}
		_, err := s.Grant(t.Context(), w)
		require.ErrorIs(t, err, launch.ErrForbidden)
		require.ErrorContains(t, err, "below the floor")
	})
	t.Run("privileged groups of the configuration", func(t *testing.T) {
		s, _, _ := newTestSigner(t)
		s.rules = (&SignerConfig{Privileged: []string{"physics"}}).rules(0)
		_, err := s.Grant(t.Context(), wished(launch.Start))
		require.ErrorContains(t, err, "is physics, which is privileged")
	})
}

// ⚿ DECISIONS 28: what no administrator approved is not started, whoever asks.
func TestSignerStartsWhatIsApproved(t *testing.T) {
	for name, change := range map[string]func(*launch.Order){
		"another file":                      func(o *launch.Order) { o.Executable = "sleepyAdd/service.yaml" },
		"an approved file at another state": func(o *launch.Order) { o.Digest[0]++ },
		"without a digest":                  func(o *launch.Order) { o.Digest = [sha256.Size]byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := newTestSigner(t)
			w := wished(launch.Start)
			change(&w.Order)
			_, err := s.Grant(t.Context(), w)
			require.ErrorIs(t, err, launch.ErrForbidden)
			require.ErrorContains(t, err, "is not approved")
		})
	}
}

// askSigner is a process of its own: it asks the signer at a socket for a
// grant and prints what came of it.
func askSigner() {
	_, err := launch.NewClient(os.Args[1], 5*time.Second).Grant(context.Background(), wished(launch.Start))
	fmt.Print(err)
}

// ⚿ DECISIONS 27: the kernel says who asks, and only the container is answered.
func TestSignerAnswersTheContainerOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("asks as other users: needs root")
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, launch.WriteKeys(at("grant.key"), at("grant.pub")))
	require.NoError(t, os.WriteFile(at("accounts"), []byte(accountsText), 0o644))
	require.NoError(t, os.WriteFile(at("grid-mapfile"), []byte("\"/CN=ann\" ann\n"), 0o644))
	text := fmt.Sprintf("data: data\nstatus: 127.0.0.1:0\naccounts: {file: accounts, grid-mapfile: grid-mapfile}\nsigner: {socket: s, key: grant.key, peers: [%d]}\n", containerUser)
	require.NoError(t, os.WriteFile(at("signer.yaml"), []byte(text), 0o644))
	config, _, err := loadConfig(at("signer.yaml"))
	require.NoError(t, err)
	s, err := newSite(t.Context(), config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	}()
	ask := func(uid uint32) string {
		cmd := &exec.Cmd{
			Path: "/proc/self/exe", Args: []string{"ask-signer", at("s")}, Env: []string{"PATH=/usr/bin:/bin"},
			SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}},
		}
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
		return string(said)
	}
	for _, stranger := range []uint32{0, containerUser + 1, 65534} {
		require.Contains(t, ask(stranger), launch.ErrAway.Error(), "uid %d", stranger)
	}
	require.Empty(t, s.audit.Recent())
	require.Contains(t, ask(containerUser), "sleepyAdd/sleepyadd with sha256 01")
	require.Len(t, s.audit.Recent(), 1)
	require.Equal(t, "Deny", s.audit.Recent()[0].Decision)
}

func TestSignerFloorsOnlyRise(t *testing.T) {
	rules := (&SignerConfig{GroupFloor: 5}).rules(5)
	require.Equal(t, []uint32{1000, 100}, []uint32{rules.Floor, rules.GroupFloor})
	rules = (&SignerConfig{GroupFloor: 20000}).rules(20000)
	require.Equal(t, []uint32{20000, 20000}, []uint32{rules.Floor, rules.GroupFloor})
}

// A flood, a locked account and a full disk stop everything but the end of a
// job.
func TestSignerAlwaysEndsJobs(t *testing.T) {
	s, recorded, _ := newTestSigner(t)
	s.limit = rate.NewLimiter(1, 1)
	_, err := s.Grant(t.Context(), wished(launch.Start))
	require.NoError(t, err)
	_, err = s.Grant(t.Context(), wished(launch.Start))
	require.ErrorContains(t, err, "ask later")
	require.NotErrorIs(t, err, launch.ErrForbidden, "the job waits; it does not fail")
	_, err = s.Grant(t.Context(), wished(launch.Signal))
	require.NoError(t, err)

	s.limit, recorded.full = rate.NewLimiter(1000, 1000), true
	signed, err := s.Grant(t.Context(), wished(launch.Start))
	require.ErrorContains(t, err, "no space left")
	require.Empty(t, signed, "without a trail nothing is started")
	gone := wished(launch.Signal)
	gone.Account.Name = "locked"
	_, err = s.Grant(t.Context(), gone)
	require.NoError(t, err)
	require.Equal(t, authz.EventJob, recorded.records[len(recorded.records)-1].Event)
}

// away is an account database that does not answer.
type away struct{}

func (away) User(context.Context, string) (authz.Account, error) {
	return authz.Account{}, errors.New("the directory does not answer")
}

func (away) Group(context.Context, string) (authz.Group, error) {
	return authz.Group{}, errors.New("the directory does not answer")
}

// No answer is no verdict: nothing is signed, and the job waits.
func TestSignerWaitsForItsDirectory(t *testing.T) {
	s, _, _ := newTestSigner(t)
	s.names = accountNames{away{}}
	signed, err := s.Grant(t.Context(), wished(launch.Start))
	require.ErrorContains(t, err, "does not answer")
	require.NotErrorIs(t, err, launch.ErrForbidden)
	require.Empty(t, signed)
}

// The policies that the container names must be ones that the signer has seen.
func TestSignerComparesRevisions(t *testing.T) {
	s, _, _ := newTestSigner(t)
	s.engine = pdp.New(pdp.Options{})
	at := func(number uint64) {
		to := authz.Revision{Lineage: "l", Number: number}
		base := &policies.Snapshot{Revision: to, Root: policies.NewRoot(policies.List[*policies.Rule]{})}
		if err := s.engine.Apply(policies.Update{To: to, Base: base}); err != nil {
			t.Error(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Grant(short, wished(launch.Start))
	require.ErrorContains(t, err, "revision 7@l permits it")
	require.NotErrorIs(t, err, launch.ErrForbidden, "the policies may still arrive")
	_, err = s.Grant(t.Context(), wished(launch.Signal))
	require.NoError(t, err)

	arrived := time.AfterFunc(100*time.Millisecond, func() { at(7) })
	defer arrived.Stop()
	_, err = s.Grant(t.Context(), wished(launch.Start))
	require.NoError(t, err, "it waits for policies that are on their way")
	at(9)
	_, err = s.Grant(t.Context(), wished(launch.Start))
	require.NoError(t, err, "older is fine: the container judges again")
	other := wished(launch.Start)
	other.Revision.Lineage = "invented"
	short, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Grant(short, other)
	require.ErrorContains(t, err, "7@invented")
}
