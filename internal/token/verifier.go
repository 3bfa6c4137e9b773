package token

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Options are what a Verifier is made of.
type Options struct {
	Issuers []Issuer
	// Audiences are what we are called in tokens, unless an issuer has its own.
	Audiences []string
	// Alone refuses tokens that are made for somebody else, too: whoever gets
	// such a token there could use it here.
	Alone    bool
	Log      *slog.Logger                      // discards if nil
	Now      func() time.Time                  // time.Now if nil
	ReadFile func(path string) ([]byte, error) // of key sets and CAs; os.ReadFile if nil
	// Keep is the directory in which fetched key sets survive a restart, with
	// the time they were confirmed; "" keeps none. Whoever can write there can
	// make tokens: ReadFile should look at owners and modes.
	Keep string
	// Grid makes the TLS configuration for issuers whose server a CA of the grid
	// certifies; nil if there is no such thing.
	Grid func() *tls.Config
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	issuers map[string]*source
	cache   cache
}

// New returns a Verifier. Key sets in files, and CA files, must be readable
// now; those at URLs come with [Verifier.Follow], and until then the tokens of
// their issuers are refused, unless Keep has keys that are not too old.
func New(options Options) (*Verifier, error) {
	v := &Verifier{options: options, issuers: map[string]*source{}}
	v.options.defaults()
	for n, i := range options.Issuers {
		at := fmt.Sprintf("token issuer %d (%q)", n+1, i.Issuer)
		if err := i.complete(options.Audiences); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		if v.issuers[i.Issuer] != nil {
			return nil, fmt.Errorf("%s: named twice", at)
		}
		if len(options.Issuers) > 1 && i.unbounded() {
			return nil, fmt.Errorf("%s: several issuers, and this one may claim every group: set vo, vos or groups", at)
		}
		s := &source{Issuer: i, options: &v.options, wake: make(chan struct{}, 1), spent: spent{since: v.options.Now()}}
		if err := s.begin(); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		v.issuers[i.Issuer] = s
	}
	if len(v.issuers) == 0 {
		return nil, errors.New("no token issuer is named")
	}
	return v, nil
}

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
}

func (s *source) begin() error {
	if s.JWKSFile != "" {
		return s.refresh(context.Background())
	}
	s.restore()
	_, err := s.trust()
	return err
}

// Follow keeps the key sets up to date until ctx is done.
func (v *Verifier) Follow(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range v.issuers {
		running.Go(func() { s.follow(ctx) })
	}
	running.Wait()
}

// Refresh looks at all key sets once, now. The error joins those of the issuers
// whose keys were not confirmed.
func (v *Verifier) Refresh(ctx context.Context) error {
	var all []error
	for _, s := range v.issuers {
		all = append(all, s.refresh(ctx))
	}
	return errors.Join(all...)
}

// Source is how we stand with the keys of one issuer.
type Source struct {
	Issuer    string
	Keys      int
	Confirmed time.Time // zero: never
	Usable    bool      // false: its tokens are refused now
	Fault     string    // of the last look
}

// Sources returns how we stand with each issuer, by name.
func (v *Verifier) Sources() []Source {
	var all []Source
	for _, s := range v.issuers {
		one := Source{Issuer: s.Issuer.Issuer}
		if set := s.keys.Load(); set != nil {
			one.Keys, one.Confirmed = len(set.keys), set.confirmed
		}
		_, err := s.current(v.options.Now())
		one.Usable = err == nil
		if fault := s.fault.Load(); fault != nil {
			one.Fault = *fault
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Source) int { return strings.Compare(a.Issuer, b.Issuer) })
	return all
}

// verified is a token whose signature and claims hold; only time and the keys
// of its issuer can change that.
type verified struct {
	digest [sha256.Size]byte
	claims *Claims
	source *source
	key    key
}

// Verify returns the credential that a token is. The result is never nil; its
// Err says why it is refused, without a word of the token's text. Call it once
// for each request: tokens for single use are used up by it.
func (v *Verifier) Verify(text string) *authz.Credential {
	digest := sha256.Sum256([]byte(text))
	t, ok := v.cache.get(digest)
	if !ok {
		claims, source, k, err := v.read(text)
		if err != nil {
			return refused(digest, claims, err)
		}
		claims.bearer = &bearer{text}
		t = v.cache.add(&verified{digest, claims, source, k})
	}
	return &authz.Credential{Digest: digest, Subject: t.claims.Name(), Value: t.claims, Err: t.use(), Judge: t.judge}
}

func refused(digest [sha256.Size]byte, claims *Claims, err error) *authz.Credential {
	c := &authz.Credential{Digest: digest, Value: claims, Subject: "a token", Err: fmt.Errorf("token: %w", err)}
	if claims.Issuer != "" && claims.Subject != "" {
		c.Subject = claims.Name()
	}
	return c
}

// use is the verdict on a token that is presented now.
func (t *verified) use() error {
	err := t.judge()
	if err != nil || !t.source.SingleUse {
		return err
	}
	if err := t.source.spent.spend(t.claims, t.source.options.Now()); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// judge is the verdict of this moment.
func (t *verified) judge() error {
	now := t.source.options.Now()
	set, err := t.source.current(now)
	if err == nil && !set.holds(t.key) {
		err = errors.New("it was signed with a key that its issuer no longer publishes")
	}
	if err == nil {
		err = t.claims.checkTimes(now, t.source.MaxAge)
	}
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// read verifies a token but for its times. The claims are never nil.
func (v *Verifier) read(text string) (*Claims, *source, key, error) {
	c, fault := parseCompact(text)
	claims, err := readClaims(c.claims)
	if fault != nil {
		return claims, nil, key{}, fault
	}
	s := v.issuers[claims.Issuer]
	if s == nil {
		return claims, nil, key{}, errors.New("its issuer (iss) is none that is accepted here")
	}
	k, fault := s.signature(c)
	if fault != nil {
		return claims, nil, key{}, fault
	}
	if err == nil {
		err = s.accept(claims, c.claims)
	}
	if err == nil {
		err = claims.checkAudience(s.Audiences, s.options.Alone)
	}
	return claims, s, k, err
}

// signature verifies the signature with the key that the issuer publishes under
// the token's kid, by the algorithm pinned to that key.
func (s *source) signature(c *compact) (key, error) {
	set, err := s.current(s.options.Now())
	if err != nil {
		return key{}, err
	}
	k, found := set.find(c.alg, c.kid)
	if !found {
		s.missed()
		return key{}, fmt.Errorf("its issuer %s publishes no key for its kid and algorithm that is accepted here", s.Issuer.Issuer)
	}
	alg, found := jwa.LookupSignatureAlgorithm(k.alg)
	if !found {
		return key{}, fmt.Errorf("the algorithm %s cannot be verified here", k.alg)
	}
	if _, err := jws.VerifyCompactFast(k.public, []byte(c.text), alg); err != nil {
		return key{}, errors.New("its signature is wrong")
	}
	return k, nil
}
