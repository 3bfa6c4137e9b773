package launch

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Signer is the mapping side's pen: it signs every well-formed wish it is
// given. Who asks, and whether it was decided, is for its owner to check
// before. It must not live in the container's process.
type Signer struct {
	key      ed25519.PrivateKey
	launcher string
	now      func() time.Time
}

var _ Granter = (*Signer)(nil)

// NewSigner returns a Signer of grants for the launcher of that name.
func NewSigner(key ed25519.PrivateKey, launcher string, now func() time.Time) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("signer: not an Ed25519 private key")
	}
	if launcher == "" {
		return nil, errors.New("signer: the launcher has no name: grants would work on every machine")
	}
	return &Signer{key: key, launcher: launcher, now: now}, nil
}

// Grant signs a grant for w that is valid for MaxLife from now, but to start
// something no longer than the answer that named the account.
func (s *Signer) Grant(_ context.Context, w Wish) (Signed, error) {
	if err := w.Order.Check(); err != nil {
		return nil, err
	}
	if w.Account.IsZero() {
		return nil, errors.New("grant: no account")
	}
	if len(w.Account.Groups) > MaxGroups {
		return nil, fmt.Errorf("grant: account %s has more than %d secondary groups", w.Account.Name, MaxGroups)
	}
	now := s.now()
	end := now.Add(MaxLife)
	if w.Order.Operation == Start && !w.Account.Expires.IsZero() {
		if w.Account.Expired(now) {
			return nil, fmt.Errorf("grant: that the job may have account %s was known until %s: ask again", w.Account.Name, w.Account.Expires.UTC().Format(time.RFC3339))
		}
		if w.Account.Expires.Before(end) {
			end = w.Account.Expires
		}
	}
	g := Grant{
		Launcher: s.launcher, Operation: w.Order.Operation, Job: w.Order.Job, Account: w.Account, Order: w.Order.Hash(),
		Revision: w.Revision, Decision: w.Decision, Issued: now, Expires: end,
	}
	if _, err := rand.Read(g.ID[:]); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return s.sign(g), nil
}

func (s *Signer) sign(g Grant) Signed {
	b := g.encode()
	return append(b, ed25519.Sign(s.key, b)...)
}

// skew is how far the signer's clock may be ahead of the launcher's.
const skew = 5 * time.Second

// Verifier checks grants against the mapping side's public key.
type Verifier struct {
	key      ed25519.PublicKey
	launcher string
}

// NewVerifier returns a Verifier of grants for the launcher of that name.
func NewVerifier(key ed25519.PublicKey, launcher string) (*Verifier, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, errors.New("verifier: not an Ed25519 public key")
	}
	if launcher == "" {
		return nil, errors.New("verifier: the launcher has no name")
	}
	return &Verifier{key: key, launcher: launcher}, nil
}

// Verify returns the grant in s if it is genuine, meant for this launcher,
// within its time and for exactly this order. Whether it was used before is
// for the Gate to know.
func (v *Verifier) Verify(s Signed, o Order, now time.Time) (Grant, error) {
	if len(s) <= ed25519.SignatureSize {
		return Grant{}, fmt.Errorf("%w: no grant", ErrRefused)
	}
	text, signature := s[:len(s)-ed25519.SignatureSize], s[len(s)-ed25519.SignatureSize:]
	if !ed25519.Verify(v.key, text, signature) {
		return Grant{}, fmt.Errorf("%w: the grant is forged or altered: its signature is not the mapping side's", ErrRefused)
	}
	g, err := ParseGrant(text)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := v.judge(g, o, now); err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return g, nil
}

func (v *Verifier) judge(g Grant, o Order, now time.Time) error {
	switch {
	case g.Launcher != v.launcher:
		return fmt.Errorf("the grant is for launcher %q, this is %q", g.Launcher, v.launcher)
	case g.Expires.Sub(g.Issued) > MaxLife || !g.Issued.Before(g.Expires):
		return fmt.Errorf("the grant is valid for %s: at most %s is allowed", g.Expires.Sub(g.Issued), MaxLife)
	case now.Before(g.Issued.Add(-skew)):
		return fmt.Errorf("the grant is from the future (%s): compare the clocks", g.Issued.Format(time.RFC3339))
	case !now.Before(g.Expires):
		return fmt.Errorf("the grant expired at %s", g.Expires.Format(time.RFC3339))
	case g.Operation != o.Operation || g.Job != o.Job || g.Order != o.Hash():
		return errors.New("the grant is for another order")
	case g.Account.IsZero():
		return errors.New("the grant names no account")
	}
	return o.Check()
}
