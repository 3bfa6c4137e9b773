package service_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
)

const sample = `name: sample
documentation: For tests.
executable: run.sh
methods:
  - name: go
    parameters:
      - {name: n, type: long, min: -10, max: 100}
      - {name: size, type: int, default: 3}
      - {name: text, type: string, optional: true, max-length: 20}
      - {name: flag, type: boolean, optional: true}
      - {name: mode, type: string, default: fast, one-of: [fast, slow, -x]}
      - {name: ratio, type: decimal, optional: true, min: "0.5"}
      - {name: scale, type: double, optional: true}
      - {name: code, type: string, optional: true, pattern: "[A-Z]{3}"}
      - {name: opt, type: string, optional: true, may-begin-with-dash: true}
    arguments: [go, "{n}", "size={size}", ["-t", "{text}"], "{flag}", "{mode}", "-r{ratio}", "{scale}", "{code}", "{opt}"]
    cpu-time: {default: 10s, maximum: 1h, each: 2s, of: size}
`

func parse(t *testing.T, text string) *service.Method {
	t.Helper()
	s, err := service.Parse("service.yaml", []byte(text))
	require.NoError(t, err)
	m, found := s.Method("go")
	require.True(t, found)
	return m
}

func vector(m *service.Method, sent service.Values) ([]string, error) {
	checked, err := m.Check(sent)
	if err != nil {
		return nil, err
	}
	return m.Vector(checked)
}

func TestVector(t *testing.T) {
	m := parse(t, sample)
	for name, c := range map[string]struct {
		sent service.Values
		want []string
		err  string
	}{
		"defaults":      {service.Values{"n": "1"}, []string{"go", "1", "size=3", "fast"}, ""},
		"canonical":     {service.Values{"n": " +007 ", "flag": "1"}, []string{"go", "7", "size=3", "true", "fast"}, ""},
		"negative":      {service.Values{"n": "-5"}, []string{"go", "-5", "size=3", "fast"}, ""},
		"group":         {service.Values{"n": "1", "text": "two words; $(id) `x` 'q'"}, nil, "longer than 20"},
		"one argument":  {service.Values{"n": "1", "text": "a b; $(id) `x` '"}, []string{"go", "1", "size=3", "-t", "a b; $(id) `x` '", "fast"}, ""},
		"empty text":    {service.Values{"n": "1", "text": ""}, []string{"go", "1", "size=3", "-t", "", "fast"}, ""},
		"option":        {service.Values{"n": "1", "text": "--help"}, nil, "would be taken for an option"},
		"declared dash": {service.Values{"n": "1", "opt": "--help"}, []string{"go", "1", "size=3", "fast", "--help"}, ""},
		"listed dash":   {service.Values{"n": "1", "mode": "-x"}, []string{"go", "1", "size=3", "-x"}, ""},
		"not listed":    {service.Values{"n": "1", "mode": "-y"}, nil, "want one of"},
		"newline":       {service.Values{"n": "1", "text": "a\nb"}, nil, "control characters"},
		"escape":        {service.Values{"n": "1", "text": "a\x1b[2J"}, nil, "control characters"},
		"not utf-8":     {service.Values{"n": "1", "text": "a\xff"}, nil, "control characters"},
		"missing":       {service.Values{}, nil, `parameter "n": missing`},
		"undeclared":    {service.Values{"n": "1", "LD_PRELOAD": "x"}, nil, "has none of this name"},
		"too small":     {service.Values{"n": "-11"}, nil, "at least -10"},
		"too big":       {service.Values{"n": "101"}, nil, "at most 100"},
		"int overflow":  {service.Values{"n": "1", "size": "2147483648"}, nil, "does not fit an int"},
		"hexadecimal":   {service.Values{"n": "0x10"}, nil, "want a long"},
		"underscore":    {service.Values{"n": "1_0"}, nil, "want a long"},
		"digits":        {service.Values{"n": strings.Repeat("1", 200)}, nil, "want a long"},
		"decimal":       {service.Values{"n": "1", "ratio": ".75"}, []string{"go", "1", "size=3", "fast", "-r.75"}, ""},
		"decimal low":   {service.Values{"n": "1", "ratio": "0.25"}, nil, "at least 0.5"},
		"double dash":   {service.Values{"n": "1", "scale": "-1e3"}, nil, "would be taken for an option"},
		"infinite":      {service.Values{"n": "1", "scale": "INF"}, nil, "finite"},
		"overflow":      {service.Values{"n": "1", "scale": "1e999"}, nil, "finite"},
		"pattern":       {service.Values{"n": "1", "code": "ABCD"}, nil, "does not match"},
		"boolean":       {service.Values{"n": "1", "flag": "yes"}, nil, "want true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := vector(m, c.sent)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestSplit(t *testing.T) {
	m := parse(t, sample)
	for command, want := range map[string]any{
		"-n 54":                           service.Values{"n": "54"},
		"  -n  54  -size\t7 ":             service.Values{"n": "54", "size": "7"},
		"-n -5":                           service.Values{"n": "-5"},
		"-text two words -n 1":            service.Values{"text": "two words", "n": "1"},
		"-text a; rm 'x' \"$(id)\" -n 1":  service.Values{"text": "a; rm 'x' \"$(id)\"", "n": "1"},
		"-text   -n 1":                    service.Values{"text": "", "n": "1"},
		"":                                service.Values{},
		"54":                              "want -name before each value",
		"-n 1 -n 2":                       "given twice",
		"-n 1 -other 2":                   "want -name before each value",
		"-text hello -evil 2":             "want -name before each value",
		"--n 1":                           "want -name before each value",
		"-n 1 | cat":                      service.Values{"n": "1 | cat"}, // then refused as a number
		"- n 1":                           "want -name before each value",
		"-text \u00a0-n 1 \u2028 -size 2": service.Values{"text": "\u00a0-n 1 \u2028", "size": "2"},
	} {
		t.Run(command, func(t *testing.T) {
			got, err := m.Split(command)
			if text, bad := want.(string); bad {
				require.ErrorContains(t, err, text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestCPUTime(t *testing.T) {
	m := parse(t, sample)
	for name, c := range map[string]struct {
		named time.Duration
		size  string
		want  time.Duration
		err   string
	}{
		"named":    {30 * time.Second, "5", 30 * time.Second, ""},
		"rule":     {0, "5", 20 * time.Second, ""},
		"rounded":  {1500 * time.Millisecond, "5", 2 * time.Second, ""},
		"too much": {2 * time.Hour, "5", 0, "at most 3600 s"},
		"by rule":  {0, "2000000000", 0, "at most 3600 s"},
		"negative": {0, "-5", 10 * time.Second, ""},
		"below":    {-1, "5", 0, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Request(c.named, service.Values{"size": c.size})
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":        {"documentation: For tests.", "description: For tests.", "service.yaml:2: field description is no key of a service"},
		"key of a method":    {"    arguments:", "    argument: []\n    arguments:", "service.yaml:16: field argument is no key of a method"},
		"key of a parameter": {"optional: true, max-length: 20", "optoinal: true", "service.yaml:9: field optoinal is no key of a parameter"},
		"duplicate key":      {"executable: run.sh", "executable: run.sh\nexecutable: other", "service.yaml:4: mapping key"},
		"type":               {"type: long", "type: number", `service.yaml:7: parameter "n": type "number"`},
		"path":               {"run.sh", "../run.sh", "service.yaml:3: executable"},
		"name":               {"name: sample", "name: sam/ple", "service.yaml:1: name"},
		"two methods":        {"  - name: go", "  - name: go\n    arguments: [x]\n    cpu-time: {default: 1s, maximum: 1s}\n  - name: go", "service.yaml:8: method \"go\": the name is taken"},
		"reserved":           {"name: go", "name: command", "the name is taken"},
		"undeclared":         {`"{n}"`, `"{m}"`, `service.yaml:16: argument "{m}": method "go" has no parameter "m"`},
		"unused":             {`"{n}", `, ``, `service.yaml:7: parameter "n": nothing uses it`},
		"twice":              {`"{n}"`, `"{n}", "{n}"`, "already an argument"},
		"two in one":         {`"{n}"`, `"{n}{size}"`, "names two parameters"},
		"makes options":      {`"{code}"`, `"--{code}"`, "makes an option of any value"},
		"idle group":         {`["-t", "{text}"]`, `["-t", "x"], "{text}"`, "nothing decides whether it is there"},
		"bad default":        {"default: 3", "default: three", `service.yaml:8: default of parameter "size"`},
		"bad pattern":        {"[A-Z]{3}", "[A-Z", "service.yaml:14: parameter \"code\": pattern"},
		"bad bound":          {"max: 100", "max: many", "want a number"},
		"bound of a string":  {"max-length: 20", "max: 20", "for numbers"},
		"dash of a number":   {"type: long", "type: long, may-begin-with-dash: true", "for strings"},
		"no cpu time":        {"default: 10s, ", "", "service.yaml:17: cpu-time"},
		"fractions":          {"default: 10s", "default: 1500ms", "whole seconds"},
		"bare number":        {"default: 10s", "default: 10", "service.yaml:17: cannot unmarshal !!int `10` as a duration: want 30s"},
		"rule of a string":   {"of: size", "of: text", "no number among its parameters"},
		"half a rule":        {", of: size", "", "each and of go together"},
		"second document":    {"name: sample", "name: x\n---\nname: sample", "exactly one"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, sample, c.old)
			_, err := service.Parse("service.yaml", []byte(strings.Replace(sample, c.old, c.new, 1)))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := service.Parse("service.yaml", nil)
	require.ErrorContains(t, err, "empty")
	_, err = service.Parse("service.yaml", make([]byte, service.MaxDescription+1))
	require.ErrorContains(t, err, "longer")
}

// TestNoValueBecomesAnotherArgument: whatever a caller sends, the vector has
// the shape of the template, and an option only where it was declared.
func TestNoValueBecomesAnotherArgument(t *testing.T) {
	m := parse(t, sample)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		got, err := vector(m, service.Values{"n": "1", "text": text})
		if err != nil {
			return
		}
		require.Equal(t, []string{"go", "1", "size=3", "-t", text, "fast"}, got)
		require.False(t, strings.HasPrefix(text, "-") || strings.ContainsAny(text, "\x00\n\r"))
	})
}

func FuzzArguments(f *testing.F) {
	s, err := service.Parse("service.yaml", []byte(sample))
	require.NoError(f, err)
	m, _ := s.Method("go")
	for _, seed := range []string{"-n 1", "-n -5 -text a b", "-text --help -n 1", "-n 1 -opt -x", "-size 9 -n 1 -flag true -scale 1e3", "- -n", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		values, err := m.Split(command)
		if err != nil {
			return
		}
		got, err := vector(m, values)
		if err != nil {
			return
		}
		if len(got) > 11 || got[0] != "go" {
			t.Fatalf("%q made %q", command, got)
		}
		for i, word := range got {
			allowed := i == 1 || word == "-t" || word == "-x" || strings.HasPrefix(word, "-r") || word == values["opt"]
			if strings.HasPrefix(word, "-") && !allowed || strings.ContainsRune(word, 0) {
				t.Fatalf("%q made the option %q of %q", command, word, got)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("methods: [{arguments: [[[]]]}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := service.Parse("service.yaml", data)
		if err != nil {
			return
		}
		for i := range s.Methods {
			m := &s.Methods[i]
			if m.CPUTime.Default < time.Second || m.CPUTime.Maximum < m.CPUTime.Default {
				t.Fatalf("accepted the CPU time %v", m.CPUTime)
			}
			values := service.Values{}
			for _, p := range m.Parameters {
				if p.Required() {
					return // no value is known to fit
				}
			}
			if checked, err := m.Check(values); err == nil {
				_, _ = m.Vector(checked)
				_, _ = m.Request(0, checked)
			}
		}
	})
}

func deploy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sample")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "service.yaml"), []byte(sample), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/sh\n"), 0o755))
	return dir
}

func TestLoadOnlyWhatIsApproved(t *testing.T) {
	me := uint32(os.Geteuid())
	dir := deploy(t)
	_, err := service.Load(dir, nil, me)
	require.ErrorIs(t, err, service.ErrUnapproved)
	seen, err := service.Inspect(dir, me)
	require.NoError(t, err)
	require.ErrorContains(t, errOf(service.Load(dir, []service.Digest{{1}}, me)), seen.Digest.String(), "the error shows what to approve")
	d, err := service.Load(dir, []service.Digest{{1}, seen.Digest}, me)
	require.NoError(t, err)
	require.Equal(t, "sample/run.sh", d.Path)
	require.Equal(t, sha256.Sum256([]byte("#!/bin/sh\n")), d.Content)

	out, err := exec.Command("sh", "-c", "cd "+dir+" && sha256sum service.yaml run.sh | sha256sum").Output()
	require.NoError(t, err)
	want, err := service.ParseDigest(strings.Fields(string(out))[0])
	require.NoError(t, err)
	require.Equal(t, want, d.Digest, "what the package comment tells an administrator to type")

	for file, text := range map[string]string{"run.sh": "#!/bin/sh\nid\n", "service.yaml": strings.Replace(sample, "max: 100", "max: 101", 1)} {
		path := filepath.Join(dir, file)
		old, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		require.ErrorIs(t, errOf(service.Load(dir, []service.Digest{d.Digest}, me)), service.ErrUnapproved, file)
		require.NoError(t, os.WriteFile(path, old, 0o644))
	}
	require.NoError(t, errOf(service.Load(dir, []service.Digest{d.Digest}, me)))
}

func TestLoadOnlyFromGuardedDirectories(t *testing.T) {
	me := uint32(os.Geteuid())
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		owner uint32
		want  string
	}{
		"directory": {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o777)) }, me, "lets others change"},
		"sticky":    {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky)) }, me, "lets others change"},
		"parent":    {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Dir(dir), 0o775)) }, me, "lets others change"},
		"program":   {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "run.sh"), 0o775)) }, me, "lets others change"},
		"text": {func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(filepath.Join(dir, "service.yaml"), 0o666))
		}, me, "lets others change"},
		"link": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "run.sh")))
			require.NoError(t, os.Symlink("/bin/sh", filepath.Join(dir, "run.sh")))
		}, me, "symbolic link"},
		"absent": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "run.sh"))) }, me, "no such file"},
		"name": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "service.yaml"), []byte(strings.Replace(sample, "name: sample", "name: other", 1)), 0o644))
		}, me, "one name for both"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := deploy(t)
			c.spoil(t, dir)
			_, err := service.Inspect(dir, c.owner)
			if name == "link" {
				require.Error(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("way", func(t *testing.T) {
		dir := deploy(t)
		link := filepath.Join(t.TempDir(), "sample")
		require.NoError(t, os.Symlink(dir, link))
		_, err := service.Inspect(link, me)
		require.ErrorContains(t, err, "symbolic link")
	})
	t.Run("owner", func(t *testing.T) {
		if me != 0 {
			_, err := service.Inspect(deploy(t), me+1)
			require.ErrorContains(t, err, "belongs to uid")
			return
		}
		dir := deploy(t)
		require.NoError(t, os.Chown(filepath.Join(dir, "run.sh"), 4242, 4242))
		_, err := service.Inspect(dir, 0)
		require.ErrorContains(t, err, "belongs to uid 4242")
		_, err = service.Inspect(dir, 4242)
		require.NoError(t, err)
	})
}

func TestSleepyAdd(t *testing.T) {
	dir := t.TempDir()
	target, digest, err := sleepyadd.Install(dir)
	require.NoError(t, err)
	_, _, err = sleepyadd.Install(dir)
	require.ErrorIs(t, err, os.ErrExist, "an installed service is not overwritten")
	d, err := service.Load(target, []service.Digest{digest}, uint32(os.Geteuid()))
	require.NoError(t, err)
	m, found := d.Method("add")
	require.True(t, found)
	arguments, err := vector(m, service.Values{"a": "-1000000000000000", "b": "42", "seconds": "0"})
	require.NoError(t, err)
	command := exec.Command(filepath.Join(dir, d.Path), arguments...)
	command.Dir = t.TempDir()
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	result, err := os.ReadFile(filepath.Join(command.Dir, "result"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintln(-1000000000000000+42), string(result))
}

// TestInteropService keeps the service of the interoperability test well-formed.
func TestInteropService(t *testing.T) {
	text, err := os.ReadFile("../../.ci/interop/services/id/service.yaml")
	require.NoError(t, err)
	s, err := service.Parse("service.yaml", text)
	require.NoError(t, err)
	require.Len(t, s.Methods, 2)
}

func errOf(_ *service.Deployed, err error) error { return err }
