package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// inspected is what cert inspect tells programs of a chain or a token.
type inspected struct {
	Accepted bool   `json:"accepted"`
	Refused  string `json:"refused,omitempty"` // why
	Subject  string `json:"subject,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
	Strength string `json:"strength,omitempty"`

	Limited      bool                   `json:"limited_proxy,omitempty"`
	CAKeys       []string               `json:"ca_keys,omitempty"`
	Profiles     []string               `json:"authn_profiles,omitempty"` // of the CA
	Needs        []string               `json:"needs_accept,omitempty"`   // of trust.accept
	Certificates []inspectedCertificate `json:"certificates,omitempty"`
	VOMS         *inspectedVOMS         `json:"voms,omitempty"`
	Ignored      []inspectedVOMS        `json:"voms_ignored,omitempty"`

	For        string          `json:"as_one_for,omitempty"` // of a token: jobs or administration
	KeysFailed string          `json:"keys_not_fetched,omitempty"`
	Token      *inspectedToken `json:"token,omitempty"`
}

type inspectedCertificate struct {
	Kind      string    `json:"kind"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Key       string    `json:"key"`
	Signature string    `json:"signature"`
	Serial    string    `json:"serial"`
}

// inspectedVOMS is an attribute certificate that counts, or with a cause one
// that does not.
type inspectedVOMS struct {
	VO     string     `json:"vo,omitempty"`
	Issuer string     `json:"issuer,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	FQANs  []string   `json:"fqans"`
	Cause  string     `json:"cause,omitempty"`
}

// inspectedToken is what a token says; it counts if the token is accepted.
type inspectedToken struct {
	ID        string    `json:"id,omitempty"`
	Client    string    `json:"client,omitempty"`
	Audiences []string  `json:"audiences,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Scopes    []string  `json:"scopes,omitempty"`
	Limited   bool      `json:"limited_by_scopes,omitempty"`
	Assurance []string  `json:"assurance,omitempty"`
	VOs       []string  `json:"vos,omitempty"`
	FQANs     []string  `json:"fqans,omitempty"`
	Groups    []string  `json:"groups,omitempty"`
	Others    []string  `json:"not_counted,omitempty"`
}

func (i *inspected) write(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(i)
}

// verdict is how a credential came out.
func verdict(r *authz.Request) *inspected {
	if err := r.Credential.Verdict(); err != nil {
		return &inspected{Refused: err.Error()}
	}
	return &inspected{Accepted: true, Strength: strengthOf(r)}
}

// json is what print says, for programs.
func (r report) json(chain *gsi.Chain, request *authz.Request) error {
	i := verdict(request)
	i.Limited, i.CAKeys, i.Needs = chain.Limited, chain.Keys, r.needs.Names()
	if i.Accepted {
		i.Subject, i.Issuer = chain.Subject.Slash(), chain.Issuer.Slash()
		i.Profiles = r.profiles.Of(chain.Issuer)
	}
	for _, c := range chain.Certificates {
		i.Certificates = append(i.Certificates, inspectedCertificate{
			Kind: kind(c, chain.Path), Subject: name.Text(c.RawSubject), Issuer: name.Text(c.RawIssuer), From: c.NotBefore.UTC(), To: c.NotAfter.UTC(),
			Key: keySize(c), Signature: c.SignatureAlgorithm.String(), Serial: c.SerialNumber.Text(16),
		})
	}
	if g := chain.VOMS; g != nil {
		until := g.Until.UTC()
		i.VOMS = &inspectedVOMS{VO: g.VO, Issuer: g.Issuer.Slash(), Until: &until, FQANs: []string{}}
		for _, f := range g.FQANs {
			i.VOMS.FQANs = append(i.VOMS.FQANs, f.String())
		}
	}
	for _, g := range chain.Ignored {
		i.Ignored = append(i.Ignored, inspectedVOMS{VO: g.VO, FQANs: append([]string{}, g.FQANs...), Cause: g.Err.Error()})
	}
	return i.write(r.out)
}

// claims adds what the token says.
func (i *inspected) claims(c *token.Claims) *inspected {
	i.Subject, i.Issuer = c.Subject, c.Issuer
	i.Token = &inspectedToken{
		ID: c.ID, Client: c.ClientID, Audiences: c.Audiences, Expires: c.Expires.UTC(), Scopes: c.Scopes, Limited: c.Limited,
		Assurance: c.Assurance, VOs: c.VOs, Groups: c.Groups, Others: c.Others,
	}
	for _, f := range c.FQANs {
		i.Token.FQANs = append(i.Token.FQANs, f.String())
	}
	return i
}
