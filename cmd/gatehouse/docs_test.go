package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
)

func manual(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	require.NoError(t, err)
	return string(text)
}

// fields calls each for every key of a configuration, "accounts.floor" or
// "plugins[].name", with its field.
func fields(v reflect.Value, prefix string, each func(key string, field reflect.Value)) {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		key := prefix + name
		if field.Kind() == reflect.Pointer {
			field = reflect.Indirect(field)
		}
		switch {
		case field.Kind() == reflect.Struct:
			fields(field, key+".", each)
			continue
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			fields(reflect.New(field.Type().Elem()).Elem(), key+"[].", each)
		}
		each(key, field)
	}
}

var keyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|([^|]*)\\|")

// section is the text from a heading to the next of the same rank.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n## "+heading+"\n")
	require.True(t, found, heading)
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// Every key of gatehouse.yaml has its row in the manual with the default that
// the program takes, and no row is about a key that is none.
func TestManualNamesEveryKey(t *testing.T) {
	rows := map[string]string{}
	for _, m := range keyRow.FindAllStringSubmatch(section(t, manual(t, "operations.md"), "gatehouse.yaml"), -1) {
		require.NotContains(t, rows, m[1], "twice")
		rows[m[1]] = strings.ReplaceAll(strings.TrimSpace(m[2]), "<data>", string(defaults().Data))
	}
	c := defaults()
	c.PAP, c.PDP, c.Container, c.Signer, c.Tokens = &PAPConfig{}, &PDPConfig{}, &ContainerConfig{}, &SignerConfig{}, &TokensConfig{}
	c.Mapping, c.Store.Etcd = &MappingConfig{}, &EtcdConfig{}
	c.complete()
	fields(reflect.ValueOf(c), "", func(key string, field reflect.Value) {
		require.Contains(t, rows, key)
		row := rows[key]
		delete(rows, key)
		switch v := field.Interface().(type) {
		case conf.Duration:
			var said conf.Duration
			require.NoError(t, said.UnmarshalText([]byte(strings.Trim(row, "`"))), key)
			require.Equal(t, v, said, key)
		default:
			if !field.IsZero() {
				require.Contains(t, row, fmt.Sprintf("`%v`", v), key)
			}
		}
	})
	require.Empty(t, rows, "rows about keys that are none")
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(# ([a-z]+\\.yaml).*?)^```$")

// Every configuration in the manual loads as it stands; launch.yaml is for the
// test of gatehouse-launch.
func TestManualConfigurationsLoad(t *testing.T) {
	text := manual(t, "operations.md")
	blocks := yamlBlock.FindAllStringSubmatch(text, -1)
	require.Len(t, blocks, strings.Count(text, "```yaml"), "each begins with a comment that names its file")
	found := map[string]int{}
	for _, b := range blocks {
		found[b[2]]++
		switch b[2] {
		case "gatehouse.yaml", "signer.yaml":
			c := defaults()
			require.NoError(t, conf.Load(b[2], []byte(b[1]), &c))
			require.Equal(t, b[2] == "signer.yaml", c.Signer != nil)
		case "service.yaml":
			_, err := service.Parse(b[2], []byte(b[1]))
			require.NoError(t, err)
		default:
			require.Equal(t, "launch.yaml", b[2])
		}
	}
	require.Len(t, found, 4)
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z]*)`")

// Every test that the manual of security names exists in the package that it
// names beside it.
func TestManualNamesTestsThatExist(t *testing.T) {
	exist := tests(t)
	named := 0
	for _, line := range strings.Split(manual(t, "security.md"), "\n") {
		var at string
		for _, word := range regexp.MustCompile("`[^`]+`").FindAllString(line, -1) {
			if m := testName.FindStringSubmatch(word); m != nil {
				named++
				require.NotEmpty(t, at, "no package before %s", word)
				require.Contains(t, exist[at], m[1], "in %s", at)
			} else if _, ok := exist[strings.Trim(word, "`")]; ok {
				at = strings.Trim(word, "`")
			}
		}
	}
	require.Greater(t, named, 80)
}

// tests are the names of all test functions by the folder they are in.
func tests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	const root = "../.."
	found := map[string]map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if found[folder] == nil {
			found[folder] = map[string]bool{}
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				found[folder][f.Name.Name] = true
			}
		}
		return nil
	}))
	return found
}
