// Package kit reads the conformance kits of OASIS, for tests that run every
// case of them: the cases, what their instructions ask for beside policy and
// request, how an answer is compared with the oracle's, and the list of oracles
// that we do not follow. The kits themselves are no part of the project.
package kit

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
)

// Kit is one of the kits.
type Kit struct {
	Name  string // "xacml2" or "xacml3"
	Cases []Case
	// Disputed are the cases whose oracles we do not follow, by id.
	Disputed map[string]Dispute
}

// Case is one case of a kit; files are paths.
type Case struct {
	ID         string
	Roots      []string // policies to decide by; of several, only one may apply
	References []string // policies that these refer to
	Withheld   []string // referred to, and to be kept from the decision point: they are invalid
	Request    string
	Response   string
}

// Dispute says why we do not give the answer of a kit, and what we answer: the
// Summary, or "refused" for a policy that is not put in force.
type Dispute struct{ Reason, Answer string }

// Open reads the index of a kit below a folder of conformance kits. The error
// is fs.ErrNotExist if the kit is not there.
func Open(folder, name string) (*Kit, error) {
	folder = filepath.Join(folder, name)
	index, err := os.Open(filepath.Join(folder, "INDEX.tsv"))
	if err != nil {
		return nil, err
	}
	defer index.Close()
	files := map[string]string{} // by their names in small letters, which the index mixes up
	err = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		files[strings.ToLower(path)] = path
		return err
	})
	if err != nil {
		return nil, err
	}
	k := &Kit{Name: name, Disputed: disputed[name]}
	for lines := bufio.NewScanner(index); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		if f[0] == "id" {
			continue
		}
		var paths []string
		for _, file := range append(strings.Split(f[1], ","), f[2], f[3]) {
			path, ok := files[strings.ToLower(filepath.Join(folder, file))]
			if !ok {
				return nil, fmt.Errorf("%s: no such file: %s", f[0], file)
			}
			paths = append(paths, path)
		}
		k.Cases = append(k.Cases, newCase(f[0], paths))
	}
	return k, nil
}

// newCase sorts the files of a case by its instructions: IID029 and IID030
// have several roots; the last policy of IIE003 is invalid.
func newCase(id string, paths []string) Case {
	n := len(paths) - 2
	c := Case{ID: id, Roots: paths[:1], References: paths[1:n], Request: paths[n], Response: paths[n+1]}
	switch id {
	case "IID029", "IID030":
		c.Roots, c.References = paths[:n], nil
	case "IIE003":
		c.References, c.Withheld = paths[1:2], paths[2:n]
	}
	return c
}

// MayRefuse reports whether the instructions of the case allow that its policy
// is never put in force, where the oracle is Indeterminate.
func (c Case) MayRefuse() bool {
	return slices.Contains([]string{"IIA004", "IIC003", "IIC012", "IIC014", "IIC332", "IIC335"}, c.ID)
}

// MayRefuseRequest reports whether the request of the case is invalid.
func (c Case) MayRefuseRequest() bool { return c.ID == "IIA005" }

// NeedsRole reports whether the case needs the role of a physician from a
// source outside the request (IIA002Special.txt).
func (c Case) NeedsRole() bool { return c.ID == "IIA002" }

// Role is the id of that role, an attribute of the subject.
const Role = "urn:oasis:names:tc:xacml:1.0:example:attribute:role"

// Tree is the tree of resources of IIICSpecial.txt: what is right below each.
func Tree() map[string][]string {
	return map[string][]string{
		"urn:root":        {"urn:root:child1", "urn:root:child2"},
		"urn:root:child1": {"urn:root:child1:descendant1", "urn:root:child1:descendant2"},
		"urn:root:child2": {"urn:root:child2:descendant1", "urn:root:child2:descendant2"},
	}
}

// Answer reads the response that the oracle gives.
func (c Case) Answer() (wire.Response, error) {
	data, err := os.ReadFile(c.Response)
	if err != nil {
		return wire.Response{}, err
	}
	return wire.ReadResponse(filepath.Base(c.Response), data)
}

// Summary is the decision and status code of each result.
func Summary(r wire.Response) string {
	var all []string
	for _, one := range r.Results {
		s := one.Decision.String()
		if one.Status != nil && one.Status.Code != authz.StatusOK {
			s += " " + one.Status.Code[strings.LastIndexByte(one.Status.Code, ':')+1:]
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}
