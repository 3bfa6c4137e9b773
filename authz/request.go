package authz

import (
	"iter"
	"slices"
)

// Category is the URI of an attribute category (XACML 3.0 core, annex B.2).
type Category string

// The four categories of XACML 2.0, under their 3.0 names, and the two that
// the multiple-decision and delegation profiles add to a subject.
const (
	Subject          Category = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
	Resource         Category = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
	Action           Category = "urn:oasis:names:tc:xacml:3.0:attribute-category:action"
	Environment      Category = "urn:oasis:names:tc:xacml:3.0:attribute-category:environment"
	RecipientSubject Category = "urn:oasis:names:tc:xacml:1.0:subject-category:recipient-subject"
	Intermediary     Category = "urn:oasis:names:tc:xacml:1.0:subject-category:intermediary-subject"
)

// Standing says how much an attribute may be relied on.
type Standing uint8

const (
	// Presented attributes were asserted, stripped, expired, unverified or
	// linked to the caller. They count against a caller and never for one:
	// deny rules and bans see them, permit rules do not.
	Presented Standing = iota
	// Verified attributes were established here, or asserted by a peer that
	// configuration allows to assert them.
	Verified
)

// Attribute is a named bag of values in one category. Several attributes of
// the same name merge into one bag when a policy asks for it.
type Attribute struct {
	Category        Category
	ID              string
	Issuer          string // "" when nobody in particular vouches for it
	Values          []Value
	Standing        Standing
	IncludeInResult bool
}

// Content is the XML document that a request carries for one category
// (XACML 3.0 core, 5.45), as the bytes of a single element that needs no
// declaration from around it.
type Content struct {
	Category Category
	XML      []byte
	Standing Standing
}

// Request is one question: may this subject do this action on this resource
// in this environment? It belongs to the goroutine that builds it until it is
// handed to a Decider, which never changes it; an Enricher does.
type Request struct {
	// ID is the decision id, given by the enforcement point; it joins the
	// answer, the audit records and the fault that a user sees.
	ID string
	// Peer names the process that asks, when the request came over a wire.
	Peer       string
	Attributes []Attribute
	Content    []Content
	// Credential is what the caller presented, already judged; nil when
	// nothing was presented. A credential with an error is never anonymous.
	Credential *Credential
	// Decided is the revision that permitted the request. The enforcement point
	// sets it before it carries obligations out.
	Decided Revision
	// MayMap says that the peer may have accounts leased for the identities that
	// it asserts (DECISIONS 23). Configuration says so, never a wire.
	MayMap bool
	// ReturnPolicyIDs asks that the Response lists the policies that applied.
	ReturnPolicyIDs bool
	taken           uint8 // of the room, as far as this request knows
	room            *room
}

// room is where Add puts values, side by side; with so many it fills a size class
// of the allocator. It serves one request: a copy of that makes its own. It knows
// by itself what it gave away: the request may be set back to a copy made before.
type room struct {
	values [7]Value
	of     *Request
	given  uint8
}

// mostAttributes is how many most requests have: memory that is never used keeps
// away other that is.
const mostAttributes = 6

// Add appends a verified attribute. It copies the values: those of all
// attributes lie together, so that whoever decides can fetch them at once.
func (r *Request) Add(c Category, id string, values ...Value) {
	if r.Attributes == nil {
		r.Attributes = make([]Attribute, 0, mostAttributes)
	}
	r.Attributes = append(r.Attributes, Attribute{Category: c, ID: id, Values: r.keep(values), Standing: Verified})
}

func (r *Request) keep(values []Value) []Value {
	if r.room == nil || r.room.of != r || int(r.room.given)+len(values) > len(r.room.values) {
		if len(values) > len(r.room.values) {
			return slices.Clone(values)
		}
		r.room = &room{of: r}
	}
	from := int(r.room.given)
	to := from + copy(r.room.values[from:], values)
	r.room.given, r.taken = uint8(to), uint8(to)
	return r.room.values[from:to:to]
}

// Touch looks at the values in the room: they come out of memory together then,
// not one after the other as somebody needs them.
func (r *Request) Touch() (sum uint64) {
	if r.room == nil {
		return 0
	}
	for i := range r.room.values[:min(int(r.taken), len(r.room.values))] {
		sum += r.room.values[i].hash
	}
	return sum
}

// Values yields the values of every attribute of that category and id, of
// whatever type, issuer and standing, in the order they were added.
func (r *Request) Values(c Category, id string) iter.Seq2[*Attribute, Value] {
	return func(yield func(*Attribute, Value) bool) {
		for i := range r.Attributes {
			a := &r.Attributes[i]
			if a.ID != id || a.Category != c {
				continue
			}
			for _, v := range a.Values {
				if !yield(a, v) {
					return
				}
			}
		}
	}
}

// Verified returns the first verified value of that category and id.
func (r *Request) Verified(c Category, id string) (Value, bool) {
	for a, v := range r.Values(c, id) {
		if a.Standing == Verified {
			return v, true
		}
	}
	return Value{}, false
}

// Credential is what a caller presented, verified once and judged again per
// request. It is opaque: only the package that verified it reads Value.
type Credential struct {
	// Digest is the SHA-256 of everything presented, for caches and audit.
	Digest [32]byte
	// Subject is the end entity's name for people and logs; no rule uses it.
	Subject string
	// Value is the verifier's own form, such as a validated chain.
	Value any
	// Err says why the credential was refused; nil when it stands. It is the
	// verdict of the last judgement: see Judge.
	Err error
	// Judge gives today's verdict, without network access: expiry and
	// revocation change while a connection stays open. Nil means Err stands.
	Judge func() error
	// Beside is a second credential in the same request, such as a token next
	// to a certificate. Neither stands unless both do, and whether both name
	// one person is for an enricher to find out.
	Beside *Credential
}

// Verdict returns nil if the credential, and the one beside it, stand now.
func (c *Credential) Verdict() error {
	err := c.Err
	if err == nil && c.Judge != nil {
		err = c.Judge()
	}
	if err == nil && c.Beside != nil {
		return c.Beside.Verdict()
	}
	return err
}
