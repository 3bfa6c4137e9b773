// The laws of the house, as tests. They read the sources with go/parser in
// this process, so that the test cache sees every file they depend on.
package gatehouse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/gatehouse-authz/gatehouse/"

// importLaw says what each package may import of ours. Patterns are package
// paths below the module, or a path and "/**" for everything at and below it;
// the most specific line wins; a package without a line is a violation. The
// standard library and the libraries in go.mod are free unless forbidden below.
var importLaw = map[string][]string{
	"authz": {},

	"internal/xml":      {},
	"internal/xml/**":   {"internal/xml"},
	"internal/conf":     {},
	"internal/command":  {},
	"internal/daemon":   {},
	"internal/sheet":    {},
	"internal/store/**": {"internal/store/**"},
	"internal/soap":     {"internal/xml"},
	"internal/saml":     {"internal/xml", "internal/soap"},
	"internal/gsi/**":   {"authz", "internal/gsi/**"},
	"internal/token":    {"authz"},
	"internal/audit":    {"authz"},

	"policies":         {"authz"},
	"policies/profile": {"authz"},
	"policies/change":  {"authz", "policies"},
	"policies/spl":     {"authz", "policies", "policies/change", "policies/profile", "internal/xml"},
	"policies/xacml":   {"authz", "policies", "policies/profile", "internal/xml"},
	"policies/lint":    {"authz", "policies", "policies/profile", "policies/spl"}, // what check reports beyond errors
	"policies/source":  {"authz", "policies/**"},

	"pdp":             {"authz", "policies", "policies/profile", "pdp/internal/**"},
	"pdp/internal/**": {"authz", "policies", "policies/profile", "pdp/internal/**", "internal/xml/**"}, // content of requests, for selectors
	"pdp/rego":        {"authz", "policies", "policies/profile", "pdp"},
	"pdp/context":     {"authz", "policies/profile", "internal/xml/**"},

	"pep":            {"authz"},
	"pep/pip":        {"authz", "policies/profile", "internal/gsi/**", "internal/token", "internal/store"},
	"pep/obligation": {"authz", "pep", "policies/profile", "internal/gsi/**", "internal/store"},
	"pep/account":    {"authz", "policies/profile", "internal/gsi/**", "internal/token", "pep/account/**"},
	"pep/account/**": {"authz", "policies/profile", "internal/gsi/**", "internal/store", "pep/account/pool"},
	"pep/mapping":    {"authz", "policies/profile"},

	"pap":     {"authz", "policies/**", "internal/store"},
	"pap/api": {"authz", "policies/**", "internal/xml", "internal/soap", "internal/saml"},

	"container/batch":    {"authz"},
	"container/batch/**": {"authz", "container/batch/**", "container/launch"},
	"container/launch":   {"authz"},
	"container/**":       {"authz", "pep", "policies/profile", "container/**", "internal/gsi/**", "internal/token", "internal/soap", "internal/xml", "internal/store"},

	"plugins/**": {"authz", "container/batch", "plugins/**"},

	"cmd/**":            {"**"},
	"internal/gridtest": {"**"},
	"internal/kit":      {"authz", "policies/profile", "pdp/context"}, // the conformance kits, for tests
}

// forbidden names what a package may not import although it is not ours.
var forbidden = map[string][]string{
	"authz":  {"github.com/**", "google.golang.org/**", "go.etcd.io/**", "golang.org/x/crypto/**", "net/http"},
	"pdp/**": {"net/http"},
	"pep":    {"net/http", "crypto/x509", "crypto/tls"},
	"pap":    {"net/http", "go.etcd.io/**"},
}

func TestImportLaw(t *testing.T) {
	require.Empty(t, violations(sources(t)), "a room reaches where it must not: see DESIGN, the law of imports")
}

// The law can fail: each planted import is found.
func TestImportLawCanFail(t *testing.T) {
	for dir, imported := range map[string]string{
		"authz":               module + "policies",
		"pdp":                 module + "pap",
		"pep":                 module + "internal/gsi",
		"pdp/internal/x":      "net/http",
		"policies/spl":        module + "pdp",
		"container/job":       module + "pdp",
		"kitchen":             "fmt",
		"internal/store/bolt": module + "authz",
	} {
		planted := []source{{dir: dir, file: dir + "/planted.go", syntax: &ast.File{
			Name: ast.NewIdent("planted"), Imports: []*ast.ImportSpec{{Path: &ast.BasicLit{Value: strconv.Quote(imported)}}},
		}}}
		require.NotEmpty(t, violations(planted), "%s may not import %s", dir, imported)
	}
}

func TestEveryPackageOpensWithItsDoc(t *testing.T) {
	docs := map[string]string{}
	for _, s := range sources(t) {
		if doc := s.syntax.Doc.Text(); doc != "" || docs[s.dir] == "" {
			docs[s.dir] = docs[s.dir] + doc
		}
	}
	for dir, doc := range docs {
		require.Greater(t, len(strings.Fields(doc)), 7, "package %s needs a doc comment that a stranger can read", dir)
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	var missing []string
	for _, s := range sources(t) {
		if strings.HasPrefix(s.dir, "cmd/") || ast.IsGenerated(s.syntax) {
			continue
		}
		for _, d := range s.syntax.Decls {
			for _, name := range undocumented(d) {
				missing = append(missing, s.file+": "+name)
			}
		}
	}
	require.Empty(t, missing)
}

// No folder of ours has a name that says nothing.
func TestNamesSaySomething(t *testing.T) {
	for _, s := range sources(t) {
		for part := range strings.SplitSeq(s.dir, "/") {
			require.NotContains(t, []string{"util", "utils", "common", "types", "impl", "manager", "helpers", "misc"}, part, s.dir)
		}
	}
}

type source struct {
	dir, file string
	syntax    *ast.File
}

// sources parses every Go file of the module that is no test, without bodies
// of other modules inside it (bench).
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || hasOwnModule(p)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, source{dir: path.Dir(filepath.ToSlash(p)), file: p, syntax: f})
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 10, "the laws must see the sources")
	return all
}

func hasOwnModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func violations(all []source) []string {
	var found []string
	for _, s := range all {
		allowed, ok := lawFor(importLaw, s.dir)
		if !ok {
			found = append(found, fmt.Sprintf("%s: package %s has no line in the law", s.file, s.dir))
			continue
		}
		banned, _ := lawFor(forbidden, s.dir)
		for _, spec := range s.syntax.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			own, ours := strings.CutPrefix(imported, module)
			if ours && !matches(allowed, own) || !ours && matches(banned, imported) {
				found = append(found, fmt.Sprintf("%s imports %s", s.file, imported))
			}
		}
	}
	return found
}

// lawFor returns the most specific line for a package.
func lawFor(table map[string][]string, dir string) (line []string, ok bool) {
	if allowed, exact := table[dir]; exact { // outweighs any pattern over it
		return allowed, true
	}
	best := -1
	for pattern, allowed := range table {
		if weight := len(pattern); matches([]string{pattern}, dir) && weight > best {
			best, line, ok = weight, allowed, true
		}
	}
	return line, ok
}

func matches(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, deep := strings.CutSuffix(pattern, "**")
		return pattern == p || deep && (strings.HasPrefix(p+"/", prefix) || prefix == "")
	})
}

func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && receiverExported(d) && d.Doc.Text() == "" {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc.Text()+spec.Doc.Text() == "" {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if n.IsExported() && d.Doc.Text()+spec.Doc.Text()+spec.Comment.Text() == "" {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	t := d.Recv.List[0].Type
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	switch x := t.(type) {
	case *ast.IndexExpr:
		t = x.X
	case *ast.IndexListExpr:
		t = x.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}
