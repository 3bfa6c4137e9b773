package mapping

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/go-json-experiment/json"
)

// Path is the root of the service's paths.
const Path = "/mapping/v1/"

// Limits of what is read (DECISIONS 33).
const (
	MaxQuestion   = 256 << 10 // bytes: a chain of 64 KiB in base64, a token, or attributes
	MaxAnswer     = 64 << 10  // bytes
	maxAttributes = 256
	maxValues     = 4096
	maxText       = 1 << 10 // of a decision id, a login, a source
)

// MaxLife is the longest life of an answer that a client believes.
const MaxLife = 10 * time.Minute

// What a client tells apart; both refuse.
var (
	// ErrRefused: the service answered, and the caller gets no account.
	ErrRefused = errors.New("the mapping service names no account")
	// ErrUnavailable: no service answered in a way that can be relied on. It
	// says nothing about the caller.
	ErrUnavailable = errors.New("no mapping service answers")
)

// question is the body of a request.
type question struct {
	Decision string         `json:"decision"`
	Revision authz.Revision `json:"revision,omitzero"`
	Login    string         `json:"login,omitempty"`
	Chain    [][]byte       `json:"chain,omitempty"`
	Token    string         `json:"token,omitempty"`
	Asserted []attribute    `json:"asserted,omitempty"`
	MayMap   bool           `json:"may-map,omitempty"`
	Account  *authz.Account `json:"account,omitempty"` // to confirm
}

type attribute struct {
	ID     string         `json:"id"`
	Type   authz.DataType `json:"type"`
	Issuer string         `json:"issuer,omitempty"`
	Values []string       `json:"values"`
}

// answer is the body of a success.
type answer struct {
	Decision string        `json:"decision"`
	Account  authz.Account `json:"account"`
}

// refusal is the body of everything else. The kinds only grow.
type refusal struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

const (
	kindRefused     = "refused"     // a verdict on the caller
	kindPeer        = "peer"        // the peer may not ask this
	kindInvalid     = "invalid"     // the question is none
	kindUnavailable = "unavailable" // nobody knows
)

// strict reads one JSON value; unknown and repeated names are errors, and so is
// text that is not UTF-8.
func strict(data []byte, v any) error {
	return json.Unmarshal(data, v, json.RejectUnknownMembers(true))
}

// readQuestion reads the body of a request.
func readQuestion(w http.ResponseWriter, r *http.Request) (q question, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return q, errors.New("the body must be of type application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxQuestion))
	if err != nil {
		return q, fmt.Errorf("the body: %w", err)
	}
	return q, q.parse(data)
}

func (q *question) parse(data []byte) error {
	if err := strict(data, q); err != nil {
		return err
	}
	return q.check()
}

// check refuses what a client would never say.
func (q *question) check() error {
	switch {
	case q.Decision == "" || len(q.Decision) > maxText || len(q.Login) > maxText:
		return fmt.Errorf("decision is empty, or decision or login are longer than %d bytes", maxText)
	case len(q.Asserted) > 0 && (len(q.Chain) > 0 || q.Token != ""):
		return errors.New("asserted attributes beside a credential: want one or the other")
	case q.MayMap && len(q.Asserted) == 0:
		return errors.New("may-map without asserted attributes")
	case len(q.Asserted) > maxAttributes:
		return fmt.Errorf("%d attributes, at most %d", len(q.Asserted), maxAttributes)
	}
	return nil
}

// identity are the attributes of a subject that say who it is. The credential
// strength is none: the service knows its own table.
var identity = []string{
	profile.SubjectID, profile.SubjectIssuer, profile.EMISubjectIssuer, profile.X509Issuer, profile.EMIX509Issuer,
	profile.VO, profile.EMIVO, profile.FQAN, profile.PrimaryFQAN, profile.EMIGroup, profile.EMIPrimaryGroup, profile.EMIRole, profile.EMIPrimaryRole,
	profile.AuthnProfile, profile.EMIAuthnProfile, profile.Assurance,
	profile.OIDCIssuer, profile.OIDCSubject, profile.OIDCGroup, profile.OIDCScope, profile.OIDCClientID, profile.OIDCOrganisation, profile.OIDCUserID,
}

// carried returns what is verified of the subject's identity, as a question
// carries it: nothing for an anonymous caller.
func carried(r *authz.Request) (all []attribute) {
	for _, a := range r.Attributes {
		if a.Category != authz.Subject || a.Standing != authz.Verified || !slices.Contains(identity, a.ID) {
			continue
		}
		for _, v := range a.Values {
			i := slices.IndexFunc(all, func(b attribute) bool { return b.ID == a.ID && b.Issuer == a.Issuer && b.Type == v.Type() })
			if i < 0 {
				i = len(all)
				all = append(all, attribute{ID: a.ID, Issuer: a.Issuer, Type: v.Type()})
			}
			all[i].Values = append(all[i].Values, v.Text())
		}
	}
	return all
}

// attributes reads what a peer asserts. Nothing of it is verified yet.
func (q *question) attributes() (all []authz.Attribute, err error) {
	values := 0
	for _, a := range q.Asserted {
		if !slices.Contains(identity, a.ID) {
			return nil, fmt.Errorf("attribute %q cannot be asserted", a.ID)
		}
		if values += len(a.Values); values > maxValues {
			return nil, fmt.Errorf("more than %d values", maxValues)
		}
		read := authz.Attribute{Category: authz.Subject, ID: a.ID, Issuer: a.Issuer}
		for _, text := range a.Values {
			v, err := authz.ParseValue(a.Type, text)
			if err != nil {
				return nil, fmt.Errorf("attribute %s: %w", a.ID, err)
			}
			read.Values = append(read.Values, v)
		}
		all = append(all, read)
	}
	return all, nil
}

// checkAccount refuses an account that nobody may be, whatever a directory says.
func checkAccount(a *authz.Account) error {
	const badID = 1<<32 - 1 // (uid_t) -1: "leave as it is" to setresuid
	switch {
	case !plain(a.Name):
		return fmt.Errorf("account name %.80q", a.Name)
	case a.UID == 0 || a.UID == badID:
		return fmt.Errorf("account %s has the uid %d", a.Name, a.UID)
	case len(a.Groups) > maxGroups:
		return fmt.Errorf("account %s has %d groups, at most %d are allowed", a.Name, len(a.Groups), maxGroups)
	case len(a.Source) > 4*maxText || len(a.Lease) > maxText:
		return fmt.Errorf("account %s: its source or lease is longer than allowed", a.Name)
	}
	for _, g := range append([]authz.Group{a.Group}, a.Groups...) {
		if !plain(g.Name) || g.GID == 0 || g.GID == badID {
			return fmt.Errorf("account %s: group %.80q with the number %d", a.Name, g.Name, g.GID)
		}
	}
	return nil
}

const maxGroups = 64

// plain reports whether a name is one that an account or a group can have.
func plain(name string) bool {
	return name != "" && len(name) <= 255 && name[0] != '-' && name != "." && name != ".." &&
		!strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(":/,\\\"'", c) })
}
