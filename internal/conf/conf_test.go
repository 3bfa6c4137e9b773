package conf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type store struct {
	Path conf.Path
	Sync bool
}

type pool struct{ Low, High int }

func (p *pool) Check() error {
	if p.Low > p.High {
		return fmt.Errorf("low %d is above high %d", p.Low, p.High)
	}
	return nil
}

type site struct {
	Listen   conf.Address
	MaxStale conf.Duration
	Body     conf.Size `yaml:"body-limit"`
	Key      conf.Secret
	Store    *store
	Pools    map[string]pool
	Peers    []string
	Stores   []store
	Workers  uint8
	Hidden   string `yaml:"-"`
}

func (s *site) Check() error {
	if s.Workers == 13 {
		return errors.New("13 workers bring bad luck")
	}
	return nil
}

func defaults() site {
	return site{Listen: "127.0.0.1:8150", MaxStale: conf.Duration(4 * time.Hour), Peers: []string{"a"}, Store: &store{Path: "pap.db", Sync: true}}
}

func TestLoad(t *testing.T) {
	v := defaults()
	require.NoError(t, conf.Load("/etc/gatehouse/gatehouse.yaml", []byte(`
# a comment
listen: unix:/run/pap.sock
max-stale: 1d2h
body-limit: 64 MiB
key: keys/host.pem
pools: {dteam: {low: 1, high: 9}}
stores: [{path: a}, {path: /b}]
`), &v))
	require.Equal(t, site{
		Listen: "unix:/run/pap.sock", MaxStale: conf.Duration(26 * time.Hour), Body: 64 << 20, Key: "/etc/gatehouse/keys/host.pem",
		Store: &store{Path: "/etc/gatehouse/pap.db", Sync: true}, Pools: map[string]pool{"dteam": {1, 9}}, Peers: []string{"a"},
		Stores: []store{{Path: "/etc/gatehouse/a"}, {Path: "/b"}},
	}, v)
	network, address := v.Listen.Split()
	require.Equal(t, "unix /run/pap.sock", network+" "+address)
}

func TestLoadKeepsDefaults(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# nothing\n", "---\n", "store: {path: x}"} {
		v := defaults()
		require.NoError(t, conf.Load("c.yaml", []byte(text), &v), text)
		require.True(t, v.Store.Sync, text)
		require.Equal(t, conf.Address("127.0.0.1:8150"), v.Listen)
	}
}

func TestLoadReplacesLists(t *testing.T) {
	v := defaults()
	require.NoError(t, conf.Load("c.yaml", []byte("peers: [b]"), &v))
	require.Equal(t, []string{"b"}, v.Peers)
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"near key":          {"listen: :80\nmax-stael: 1h", `c.yaml:2:1: unknown key "max-stael": did you mean "max-stale"?`},
		"far key":           {"colour: red", `c.yaml:1:1: unknown key "colour": known here are body-limit, key, listen, max-stale`},
		"hidden":            {"hidden: x", "unknown key"},
		"Go spelling":       {"MaxStale: 1h", `did you mean "max-stale"?`},
		"nested key":        {"store:\n  pth: x", `c.yaml:2:3: unknown key "pth": did you mean "path"?`},
		"twice":             {"workers: 1\nworkers: 2", `c.yaml:2:1: "workers" stands here for the second time: it was set in line 1`},
		"twice in a map":    {"pools: {a: {low: 1}, a: {low: 0}}", `"a" stands here for the second time`},
		"no value":          {"store:\nworkers: 1", "store has no value"},
		"no value in list":  {"peers: [a, ~]", "an item of peers has no value"},
		"anchor":            {"peers: &p [a]", "anchors and aliases"},
		"alias":             {"peers: [&x a, *x]", "anchors and aliases"},
		"merge":             {"store: {<<: {path: x}}", "a key must be a plain word"},
		"second document":   {"workers: 1\n---\nworkers: 2", "a second document"},
		"type":              {"workers: many", `c.yaml:1:10: workers is "many": want a whole number, not negative`},
		"negative":          {"workers: -1", "not negative"},
		"too large":         {"workers: 256", `workers is "256"`},
		"list for value":    {"workers: [1]", "workers is a list"},
		"value for list":    {"peers: a", "peers is a single value: want a list"},
		"value for group":   {"store: x", "store is a single value: want keys"},
		"list for all":      {"- a", "the file is a list"},
		"duration":          {"max-stale: 4", `c.yaml:1:12: max-stale: "4" is no duration`},
		"negative duration": {"max-stale: -4h", "is no duration"},
		"size":              {"body-limit: 64MB", `"64MB" is no size`},
		"huge size":         {"body-limit: 9999999999TiB", "is no size"},
		"address":           {"listen: 8150", "is no address"},
		"port":              {"listen: a:99999", "is no address"},
		"relative socket":   {"listen: unix:x", "must be absolute"},
		"own check":         {"pools: {a: {low: 9, high: 1}}", "c.yaml:1:12: a: low 9 is above high 1"},
		"check of all":      {"workers: 13", "bad luck"},
		"syntax":            {"a: [", "not YAML"},
		"tab":               {"store:\n\tpath: x", "not YAML"},
		"not UTF-8":         {"a: \xff", "not UTF-8"},
		"key is a list":     {"? [a]\n: b", "a key must be a plain word"},
		"other tag":         {"workers: !!binary aGk=", "workers is"},
	} {
		v := defaults()
		err := conf.Load("c.yaml", []byte(c.text), &v)
		require.ErrorContains(t, err, c.want, name)
		var one *conf.Error
		require.ErrorAs(t, err, &one, name)
	}
	require.ErrorContains(t, conf.Load("c.yaml", nil, site{}), "pointer to a struct")
	require.ErrorContains(t, conf.Load("c.yaml", make([]byte, conf.MaxSize+1), &site{}), "larger than")
}

func TestLoadReportsAllInOrder(t *testing.T) {
	v := defaults()
	err := conf.Load("c.yaml", []byte("wrkers: 1\nstore: {pth: 1}\nbody-limit: x\n"), &v)
	var all conf.Errors
	require.ErrorAs(t, err, &all)
	require.Len(t, all, 3)
	require.Equal(t, []int{1, 2, 3}, []int{all[0].Line, all[1].Line, all[2].Line})
	require.Contains(t, err.Error(), "store: {pth: 1}\n            ^", "the line with a caret under the column")

	require.ErrorAs(t, conf.Load("c.yaml", []byte(strings.Repeat("- x\n", 3)+strings.Repeat("? ", 1000)), &v), &all)
}

func TestSizeAndDurationPrintWhatTheyRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := conf.Size(rapid.Int64Min(0).Draw(t, "size"))
		var back conf.Size
		require.NoError(t, back.UnmarshalText([]byte(s.String())))
		require.Equal(t, s, back)
		d := conf.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		var again conf.Duration
		require.NoError(t, again.UnmarshalText([]byte(d.String())))
		require.Equal(t, d, again)
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte("workers: 1"), 0o644))
	v := defaults()
	digest, err := conf.File(path, &v)
	require.NoError(t, err)
	require.Equal(t, conf.Digest([]byte("workers: 1")), digest)
	require.Len(t, digest, 64)

	require.NoError(t, os.Chmod(path, 0o664))
	_, err = conf.File(path, &v)
	require.ErrorContains(t, err, "mode 0664 lets others in: chmod it to 0644")
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(path, []byte("hush"), 0o600))
	got, err := conf.Secret(path).Read()
	require.NoError(t, err)
	require.Equal(t, "hush", string(got))

	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(path, link))
	_, err = conf.Secret(link).Read()
	require.NoError(t, err)

	for _, mode := range []os.FileMode{0o640, 0o604, 0o602, 0o660, 0o610} {
		require.NoError(t, os.Chmod(path, mode))
		for _, name := range []string{path, link} {
			got, err := conf.Secret(name).Read()
			require.ErrorContains(t, err, "lets others in", mode)
			require.Empty(t, got)
		}
	}
	_, err = conf.Secret(dir).Read()
	require.ErrorContains(t, err, "not a regular file")
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	_, err = conf.Secret(fifo).Read()
	require.ErrorContains(t, err, "not a regular file")
}

func TestSecretOfSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a file away")
	}
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("hush"), 0o600))
	require.NoError(t, os.Chown(path, 12345, 12345))
	_, err := conf.Secret(path).Read()
	require.ErrorContains(t, err, "belongs to uid 12345")
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "listen: :80", "a: &x [*x]", "store: {path: a, path: b}", "---\n---\n", "? a\n: b", "%YAML 1.1\n---\n", "{", "- - - -", "store: !!map {}", "pools: {a: {low: 1}}", "\ufeffworkers: 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := defaults()
		if err := conf.Load("c.yaml", data, &v); err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}
