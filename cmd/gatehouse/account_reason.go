package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// explainOrder is a caller to explain: a chain and a token, or names that are
// taken as if they had been verified.
type explainOrder struct {
	Chain    string   `json:"chain,omitempty"` // PEM
	Token    string   `json:"token,omitempty"`
	Whose    whose    `json:"whose,omitzero"`
	FQANs    []string `json:"fqans,omitempty"`
	Strength string   `json:"strength,omitempty"`
	// Resource and Action, if given, are decided about first: a policy may name
	// the account.
	Resource string `json:"resource,omitempty"`
	Action   string `json:"action,omitempty"`
}

// explainAccount says what account the caller would get, and why.
func (s *site) explainAccount(r *http.Request) (any, error) {
	var o explainOrder
	if err := readOrder(r, &o); err != nil {
		return nil, err
	}
	if s.mapper == nil {
		return nil, badOrder{errors.New("this service maps nobody: ask the one with the section container or mapping, where accounts.service is not set")}
	}
	q, err := s.imagine(&o)
	if err != nil {
		return nil, badOrder{err}
	}
	refused, err := s.enrich(r.Context(), q)
	switch {
	case err != nil:
		return nil, err
	case refused != "":
		return account.Explained{Refused: refused}, nil
	case o.Action == "":
		return s.mapper.Explain(r.Context(), q), nil
	}
	return s.explainDecided(r.Context(), q)
}

// imagine makes the request of such a caller.
func (s *site) imagine(o *explainOrder) (*authz.Request, error) {
	q := &authz.Request{ID: "explain", Peer: "control socket"}
	if o.Resource != "" {
		q.Add(authz.Resource, profile.ResourceID, authz.StringValue(o.Resource))
	}
	if o.Action != "" {
		q.Add(authz.Action, profile.ActionID, authz.StringValue(o.Action))
		q.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(1)) // a job as short as can be
	}
	if o.Chain != "" || o.Token != "" {
		var err error
		q.Credential, err = s.shown(o)
		return q, err
	}
	q.MayMap = true
	return q, assume(q, o)
}

// shown verifies what is shown, as on a connection. That whoever shows it holds
// the key nobody asks here: nothing is given.
func (s *site) shown(o *explainOrder) (*authz.Credential, error) {
	var chain [][]byte
	for rest := []byte(o.Chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	certs, err := derChain(chain)
	if err != nil {
		return nil, err
	}
	var certificate, bearer *authz.Credential
	if len(certs) > 0 {
		certificate = s.verifier.Verify(certs)
	}
	if o.Token != "" {
		takes, err := s.bearer()
		if err != nil || takes == nil {
			return nil, errors.Join(err, errors.New("this service takes no tokens: it has no section tokens"))
		}
		bearer = takes(o.Token)
	}
	return token.Beside(certificate, bearer), nil
}

// assume adds names as if they had been verified.
func assume(q *authz.Request, o *explainOrder) error {
	for id, text := range map[string]string{profile.SubjectID: o.Whose.DN, profile.X509Issuer: o.Whose.Issuer} {
		if text == "" {
			continue
		}
		dn, err := authz.ParseDN(text)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		q.Add(authz.Subject, id, authz.DNValue(dn))
	}
	for id, text := range map[string]string{profile.OIDCIssuer: o.Whose.TokenIssuer, profile.OIDCSubject: o.Whose.Subject} {
		if text != "" {
			q.Add(authz.Subject, id, authz.StringValue(text))
		}
	}
	for i, text := range o.FQANs {
		f, err := authz.ParseFQAN(text)
		if err != nil {
			return fmt.Errorf("--fqan %q: %w", text, err)
		}
		if i == 0 {
			q.Add(authz.Subject, profile.PrimaryFQAN, authz.FQANValue(f))
		}
		q.Add(authz.Subject, profile.FQAN, authz.FQANValue(f))
	}
	if o.Strength != "" {
		if !slices.Contains(profile.Strengths(), o.Strength) {
			return fmt.Errorf("--strength %q: want one of %v", o.Strength, profile.Strengths())
		}
		q.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(o.Strength))
	}
	return nil
}

// enrich lets the enrichers look at a credential and says why it is refused, if
// it is. Names that were assumed stay as they are.
func (s *site) enrich(ctx context.Context, q *authz.Request) (refused string, err error) {
	if q.Credential == nil {
		return "", nil
	}
	enrichers, err := s.enrichers()
	if err != nil {
		return "", err
	}
	for _, e := range enrichers {
		if err := e.Enrich(ctx, q); err != nil {
			return "", err
		}
	}
	if verdict := q.Credential.Verdict(); verdict != nil {
		refused = "the credential is refused: " + verdict.Error()
	}
	return refused, nil
}

// explainDecided asks the policies first: a rule may name the account.
func (s *site) explainDecided(ctx context.Context, q *authz.Request) (any, error) {
	if s.engine == nil {
		return nil, badOrder{errors.New("there are no policies in this process: leave --action out")}
	}
	response, err := pep.Enrich(s.engine).Decide(ctx, q)
	if err != nil {
		return nil, err
	}
	if !response.Permitted() {
		return account.Explained{Refused: fmt.Sprintf("the policies say %s at revision %s: %s", response.Decision, response.Revision, response.Reason)}, nil
	}
	q.Decided = response.Revision
	for i := range response.Obligations {
		o := &response.Obligations[i]
		switch o.ID {
		case profile.ObligationMapAccount:
			login, _ := o.Find(profile.Account)
			return s.mapper.ExplainNamed(ctx, q, login.Text(), "policy "+response.Reason.String()), nil
		case profile.ObligationMap, profile.ObligationEMIMap:
			return s.mapper.Explain(ctx, q), nil
		}
	}
	return account.Explained{Refused: fmt.Sprintf("%s permits without an account: no obligation names one", response.Reason)}, nil
}
