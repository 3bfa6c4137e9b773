package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// Whatever is read is well formed and, once written, read as the same.
func FuzzPersons(f *testing.F) {
	f.Add(`"/DC=test/CN=Ann", https://iam.example.org/, 4f1b, ann`)
	f.Add("/CN=a, -, , a\n# x\n\n" + `person=p subject="/CN=""b""" subject-issuer=/CN=CA account=b comment="two  words"`)
	f.Add(`subject="/CN=a`)
	f.Add("account=a account=b\naccount=b")
	f.Add(`oidc-issuer=https://i oidc-subject="x"",y" account=z`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := readPersons("f", strings.NewReader(text))
		if err != nil {
			return
		}
		var persons []change.Person
		for _, p := range file {
			require.NoError(t, source.CheckPerson(p.Person))
			require.NotEmpty(t, p.Links)
			if p.ID == "" {
				p.ID = "someone"
			}
			p.Comment = strings.Join(strings.Fields(p.Comment), " ")
			persons = append(persons, p.Person)
		}
		var written bytes.Buffer
		require.NoError(t, writePersons(&written, persons))
		again, err := readPersons("f", &written)
		require.NoError(t, err)
		require.Len(t, again, len(persons))
		for i, p := range again {
			require.Equal(t, persons[i], p.Person)
		}
	})
}
