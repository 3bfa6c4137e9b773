package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// Users that need not exist: numbers are enough to be somebody else.
const (
	containerUser = 61011
	signerUser    = 61012
)

// estate is a whole site on this machine as real processes of three users:
// container (with PAP and PDP), signer and launcher. Jobs run as nobody, and
// each appends a line to the file in marks that its caller named.
type estate struct {
	t     *testing.T
	world *world
	base  string // of the container
	marks string
	logs  *os.File
	parts []*part
	again atomic.Int64 // calls that had to be repeated
}

// part is one of the processes.
type part struct {
	name, program string
	args          []string
	uid           uint32
	process       *exec.Cmd
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("runs processes as three users: needs root")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	build := exec.Command("go", "build", "-o", dir, ".", "../gatehouse-launch")
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	e := &estate{t: t, world: &world{dir: filepath.Join(dir, "site")}, marks: filepath.Join(dir, "marks")}
	require.NoError(t, os.Mkdir(e.world.dir, 0o755))
	require.NoError(t, e.world.makePKI())
	require.NoError(t, e.world.makeSite())
	require.NoError(t, os.Mkdir(e.marks, 0o777))
	require.NoError(t, os.Chmod(e.marks, 0o777))
	e.logs, err = os.Create(filepath.Join(dir, "logs"))
	require.NoError(t, err)
	e.configure()
	container := []string{"serve", "--create-store", "--config", e.world.path("container.yaml")}
	e.parts = []*part{
		{name: "container", program: filepath.Join(dir, "gatehouse"), args: container, uid: containerUser},
		{name: "launcher", program: filepath.Join(dir, "gatehouse-launch"), args: []string{"-config", e.world.path("launch.yaml")}},
		{name: "signer", program: filepath.Join(dir, "gatehouse"), args: []string{"serve", "--config", e.world.path("signer.yaml")}, uid: signerUser},
	}
	for _, p := range e.parts {
		e.up(p)
	}
	t.Cleanup(e.down)
	return e
}

// configure writes the configurations of the three processes.
func (e *estate) configure() {
	t, w := e.t, e.world
	digest := e.installMark()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	e.base = "https://localhost:" + port
	for path, uid := range map[string]int{"data": containerUser, "signer": signerUser} {
		require.NoError(t, os.Mkdir(w.path(path), 0o711))
		require.NoError(t, os.Chown(w.path(path), uid, uid))
	}
	require.NoError(t, launch.WriteKeys(w.path("grant.key"), w.path("grant.pub")))
	require.NoError(t, os.WriteFile(w.path("grid-mapfile"), []byte(fmt.Sprintf("%q nobody\n", w.dn("ann"))), 0o644))
	mapping := "accounts: {grid-mapfile: grid-mapfile}\n"
	for name, text := range map[string]string{
		"container.yaml": fmt.Sprintf(`
data: data
host: {certificate: pki/host-cert.pem, key: pki/host-key.pem}
trust: {directory: pki/trust}
status: 127.0.0.1:0
administrators: [%q]
credential-strength: [{strength: strong, ca: /DC=test/DC=strong/CN=CA}]
pap: {listen: 127.0.0.1:0}
pdp: {}
container:
  listen: %s
  services: services
  sandboxes: sandboxes
  approved: {mark: %s}
  launcher: {socket: launch.sock, signer: signer/sign.sock}
`, w.dn("admin"), address, digest) + mapping,
		"signer.yaml": fmt.Sprintf("data: signer\nstatus: 127.0.0.1:0\nsigner: {socket: signer/sign.sock, key: grant.key, peers: [%d], services: services, approved: {mark: %s}}\n", containerUser, digest) + mapping,
		"launch.yaml": fmt.Sprintf("name: local\nsocket: launch.sock\npeers: [%d]\npublic-key: grant.pub\nservices: services\nsandboxes: sandboxes\nstate: launch\n", containerUser),
	} {
		require.NoError(t, os.WriteFile(w.path(name), []byte(text), 0o600))
	}
	for path, uid := range map[string]int{"container.yaml": containerUser, "pki/host-key.pem": containerUser, "signer.yaml": signerUser, "grant.key": signerUser} {
		require.NoError(t, os.Chown(w.path(path), uid, uid))
	}
}

// installMark installs the service whose jobs leave a mark each time they run.
func (e *estate) installMark() service.Digest {
	e.t.Helper()
	dir := e.world.path("services", "mark")
	require.NoError(e.t, os.Mkdir(dir, 0o755))
	require.NoError(e.t, os.WriteFile(filepath.Join(dir, "service.yaml"), []byte(`name: mark
documentation: Leaves a mark.
executable: mark.sh
methods:
  - name: leave
    documentation: Appends a line to the file of that number.
    parameters: [{name: number, type: int}]
    arguments: ["{number}"]
    cpu-time: {default: 10s, maximum: 1h}
`), 0o644))
	script := "#!/bin/sh\necho ran >> " + e.marks + "/$1\nsleep 0.0$(($$ % 10))\necho marked $1\n"
	require.NoError(e.t, os.WriteFile(filepath.Join(dir, "mark.sh"), []byte(script), 0o755))
	found, err := service.Inspect(dir, 0)
	require.NoError(e.t, err)
	return found.Digest
}

// up starts a process and does not wait for it.
func (e *estate) up(p *part) {
	e.t.Helper()
	p.process = &exec.Cmd{
		Path: p.program, Args: append([]string{p.program}, p.args...), Env: []string{"PATH=/usr/bin:/bin"}, Stdout: e.logs, Stderr: e.logs, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: p.uid, Gid: p.uid}},
	}
	require.NoError(e.t, p.process.Start())
}

func (e *estate) kill(p *part) {
	e.t.Helper()
	require.NoError(e.t, p.process.Process.Kill())
	require.ErrorContains(e.t, p.process.Wait(), "killed", "the %s must have run until then: %s", p.name, e.said())
}

// down ends the processes politely.
func (e *estate) down() {
	for _, p := range e.parts {
		require.NoError(e.t, p.process.Process.Signal(syscall.SIGTERM))
		require.NoError(e.t, p.process.Wait(), "%s: %s", p.name, e.said())
	}
	require.NoError(e.t, e.logs.Close())
}

// said returns the end of what the processes had to say.
func (e *estate) said() string {
	text, err := os.ReadFile(e.logs.Name())
	require.NoError(e.t, err)
	return string(text[max(0, len(text)-4000):])
}

// person is a caller of the service, by one connection of its own at a time.
func (e *estate) person(file string) *soap.Client {
	e.t.Helper()
	config, err := e.world.clientTLS(file)
	require.NoError(e.t, err)
	transport := &http.Transport{TLSClientConfig: config}
	e.t.Cleanup(transport.CloseIdleConnections)
	return &soap.Client{HTTP: &http.Client{Transport: transport, Timeout: 20 * time.Second}, URL: e.base + "/services/mark"}
}

// ask calls an operation once and returns the jobs in the answer.
func ask(ctx context.Context, c *soap.Client, operation string, children func(*xml.Writer)) (jobs []answer, err error) {
	space := container.Namespace("mark")
	body := func(w *xml.Writer) {
		w.Start("s:" + operation)
		w.Namespace("s", space)
		children(w)
		w.End()
	}
	err = c.Call(ctx, space+"/"+operation, body, func(r *xml.Reader, _ xml.Token) error {
		node, err := r.Node()
		if err == nil {
			for child := range node.Elements() {
				if child.Name.Local == "job" {
					jobs = append(jobs, fieldsOf(child))
				}
			}
		}
		return err
	})
	return jobs, err
}

// insist calls until there is an answer, as the manual tells clients to:
// the same submission under the same key.
func (e *estate) insist(ctx context.Context, c *soap.Client, operation string, children func(*xml.Writer)) ([]answer, error) {
	for {
		jobs, err := ask(ctx, c, operation, children)
		if err == nil || ctx.Err() != nil {
			return jobs, err
		}
		e.again.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
}

func submission(key, number int) func(*xml.Writer) {
	return func(w *xml.Writer) {
		w.Leaf("s:requestKey", "key-"+strconv.Itoa(key))
		w.Start("s:method")
		w.Start("s:leave")
		w.Leaf("s:number", strconv.Itoa(number))
		w.End()
		w.End()
	}
}

// ⚿ Container, signer and launcher are killed with SIGKILL at random moments
// while jobs are submitted and run: every acknowledged session answers, no job
// is lost, none is run twice. GATEHOUSE_LONG=1 runs 300 jobs and kills container
// and launcher 20 times.
func TestKilledProcessesLoseNothingAndRepeatNothing(t *testing.T) {
	count, kills := 24, 4
	if os.Getenv("GATEHOUSE_LONG") != "" {
		count, kills = 300, 20
	}
	e := newEstate(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sessions := make([]string, count)
	var acknowledged atomic.Int64
	var submitters sync.WaitGroup
	numbers := make(chan int)
	for range 6 {
		ann := e.person("ann")
		submitters.Go(func() {
			for n := range numbers {
				// Now and then a caller hangs up before the answer, and asks again.
				hasty, hangUp := context.WithTimeout(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
				_, _ = ask(hasty, ann, "submit", submission(n, n))
				hangUp()
				jobs, err := e.insist(ctx, ann, "submit", submission(n, n))
				if err != nil || len(jobs) != 1 {
					t.Errorf("job %d: %v %v", n, jobs, err)
					continue
				}
				sessions[n] = jobs[0]["session"]
				acknowledged.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range count {
			numbers <- n
		}
		close(numbers)
		submitters.Wait()
	}()
	killed := map[string]int{}
	for k := range kills {
		// Somewhere in each part of the jobs, wherever the victim is just then.
		for acknowledged.Load() < int64(count*k/kills) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		victims := e.parts[k%2 : k%2+1] // container and launcher once each, then as chance has it
		if k >= 2 {
			victims = e.parts[rand.IntN(2):][:1]
		}
		if k%4 == 3 {
			victims = []*part{victims[0], e.parts[2]} // and the signer, now and then
		}
		for _, victim := range victims {
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			killed[victim.name]++
			e.kill(victim)
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			e.up(victim)
		}
	}
	<-done
	e.checkAllRanOnce(ctx, sessions)
	t.Logf("%d jobs acknowledged, killed %v, %d calls repeated", acknowledged.Load(), killed, e.again.Load())
}

func (e *estate) checkAllRanOnce(ctx context.Context, sessions []string) {
	t, ann := e.t, e.person("ann")
	t.Helper()
	seen := map[string]bool{}
	for n, session := range sessions {
		require.NotContains(t, seen, session, "one session, two jobs")
		seen[session] = true
		var last answer
		for last["state"] != "done" {
			jobs, err := e.insist(ctx, ann, "status", func(w *xml.Writer) { w.Leaf("s:session", session) })
			require.NoError(t, err, "acknowledged, and does not answer: %v %s", last, e.said())
			require.Len(t, jobs, 1)
			last = jobs[0]
			require.NotContains(t, []string{"failed", "stopped", "cancelled"}, last["state"], "job %d: %v", n, last)
		}
		require.Equal(t, "0", last["exitCode"])
		mark, err := os.ReadFile(filepath.Join(e.marks, strconv.Itoa(n)))
		require.NoError(t, err)
		require.Equal(t, "ran\n", string(mark), "job %d: exactly one line, run once", n)
		again, err := e.insist(ctx, ann, "submit", submission(n, n))
		require.NoError(t, err)
		require.Equal(t, session, again[0]["session"], "the key names the job for good")
	}
	listed, err := e.insist(ctx, ann, "list", func(*xml.Writer) {})
	require.NoError(t, err)
	require.Len(t, listed, len(sessions), "what was retried is no second job")
	for _, j := range listed {
		require.True(t, seen[j["session"]], "a job that nobody was told of: %s", j["session"])
	}
	entries, err := os.ReadDir(e.marks)
	require.NoError(t, err)
	require.Len(t, entries, len(sessions))
}
