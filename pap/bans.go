package pap

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// maxText bounds a ban's reason and ticket, in bytes.
const maxText = 4 << 10

// Ban puts bans into a PAP, all or none. A ban whose names, resource and action
// are there already, in whatever spelling, stays as it is, unless the new one
// refuses more: it lasts longer, or follows the links of a person, and then
// replaces it. ID, Author and Time of the bans are set.
func (s *Service) Ban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error) {
	return s.change(store.Urgent(ctx), r, "ban", []any{pap, bans}, func(d *draft) error {
		if err := d.mustPAP(pap, false); err != nil {
			return err
		}
		for _, b := range bans {
			if err := d.ban(pap, b); err != nil {
				return err
			}
		}
		d.summary = summarize("ban", len(d.edits), bans)
		return nil
	})
}

func (d *draft) ban(pap string, b change.Ban) error {
	b, err := named(pap, b)
	if err != nil {
		return err
	}
	if !b.Until.IsZero() && !b.Until.After(d.now) {
		return fmt.Errorf("%w: the ban of %s ends at %s, which is past", change.ErrInvalid, describe(b), b.Until.Format(time.RFC3339))
	}
	b.Author, b.Time, b.Until = d.author.Name, d.now, b.Until.UTC()
	d.result.IDs = append(d.result.IDs, b.ID)
	if before, ok := d.get(spaceBans, pap+"/"+b.ID); ok {
		if b = atLeast(b, *before.Ban); !outlasts(b, *before.Ban) && b.Alone == before.Ban.Alone {
			d.result.Already = append(d.result.Already, b.ID)
			return nil
		}
	}
	d.put(change.Edit{Ban: &b})
	return nil
}

// outlasts reports whether a ends later than b. A list that is loaded again can
// so prolong a ban, and never cut it short.
func outlasts(a, b change.Ban) bool {
	return !b.Until.IsZero() && (a.Until.IsZero() || a.Until.After(b.Until))
}

// atLeast widens a to what b refuses: a ban put again never refuses less.
func atLeast(a, b change.Ban) change.Ban {
	if a.Alone = a.Alone && b.Alone; outlasts(b, a) {
		a.Until = b.Until
	}
	return a
}

// Unban lifts bans of a PAP, each named by its ID or by its names, resource and
// action in any spelling. What is not there is reported in Result.Missing and
// hinders nothing.
func (s *Service) Unban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error) {
	return s.change(ctx, r, "un-ban", []any{pap, bans}, func(d *draft) error {
		if err := d.mustPAP(pap, false); err != nil {
			return err
		}
		for _, b := range bans {
			if err := d.unban(pap, b); err != nil {
				return err
			}
		}
		d.summary = summarize("un-ban", d.lifted, bans)
		return nil
	})
}

func (d *draft) unban(pap string, b change.Ban) error {
	if b.ID == "" {
		var err error
		if b, err = named(pap, b); err != nil {
			return err
		}
	}
	if err := mustFit(b.ID); err != nil {
		return err
	}
	b.PAP = pap
	d.result.IDs = append(d.result.IDs, b.ID)
	if !d.remove(change.Edit{Ban: &b}) {
		d.result.Missing = append(d.result.Missing, b.ID)
		return nil
	}
	d.lifted++
	return nil
}

// Bans returns the bans of one PAP, or of every PAP for "", by their time.
func (s *Service) Bans(ctx context.Context, pap string) ([]change.Ban, error) {
	var bans []change.Ban
	err := s.read(ctx, func(r *records) error {
		bans = nil
		prefix := ""
		if pap != "" {
			if err := r.mustPAP(pap, false); err != nil {
				return err
			}
			prefix = pap + "/"
		}
		for e := range r.scan(spaceBans, prefix) {
			bans = append(bans, *e.Ban)
		}
		return nil
	})
	slices.SortStableFunc(bans, func(a, b change.Ban) int { return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) })
	return bans, err
}

// named checks what a ban says and gives it the id that follows from it: two
// bans of a PAP that refuse the same have the same id, however they are spelt.
func named(pap string, b change.Ban) (change.Ban, error) {
	b.PAP, b.Resource, b.Action = pap, everything(b.Resource), everything(b.Action)
	names := make([]string, len(b.Names))
	b.Names = slices.Clone(b.Names)
	for i, n := range b.Names {
		key, err := nameKey(n)
		if err != nil {
			return b, err
		}
		names[i] = n.Attribute + "=" + key
		if n.Attribute == "ca-key" { // compared as it stands: a spelling must not let the CA in
			b.Names[i].Value = key
		}
	}
	if err := complete(b); err != nil {
		return b, err
	}
	slices.Sort(names)
	sum := sha256.Sum256(encode([]any{pap, slices.Compact(names), b.Resource, b.Action}))
	b.ID = "ban-" + hex.EncodeToString(sum[:16])
	return b, nil
}

// everything is how a pattern that matches all is kept; Argus writes it out.
func everything(pattern string) string {
	if pattern == ".*" {
		return ""
	}
	return pattern
}

// nameKey is what two spellings of a name have in common. It joins no two names
// that the readings of a ban tell apart: a ban that is taken to be there already
// must refuse whom the new one would.
func nameKey(n change.Name) (string, error) {
	if _, ok := profile.LookupIdentity(n.Attribute); !ok {
		return "", fmt.Errorf("%w: %q is no name that a ban can use; use one of %s", change.ErrInvalid, n.Attribute, banNames())
	}
	value := strings.Trim(n.Value, " \t\r\n")
	switch {
	case value == "":
		return "", fmt.Errorf("%w: %s is empty", change.ErrInvalid, n.Attribute)
	case len(value) > authz.MaxDN:
		return "", fmt.Errorf("%w: %s of %d bytes, at most %d", change.ErrInvalid, n.Attribute, len(value), authz.MaxDN)
	}
	switch n.Attribute {
	case "subject", "subject-issuer":
		key := authz.BanKey(value)
		if key == "" {
			return "", fmt.Errorf("%w: %s %q says nothing about anybody; want a name such as /DC=org/DC=example/CN=Ann Other", change.ErrInvalid, n.Attribute, value)
		}
		return key, nil
	case "ca-key":
		return caKey(value)
	case "oidc-issuer":
		return strings.TrimRight(strings.Map(lower, value), "/"), nil
	}
	return value, nil
}

// caKey returns the one spelling of the hash of a CA's key.
func caKey(value string) (string, error) {
	digits, ok := strings.CutPrefix(strings.Map(lower, value), "sha256:")
	digits = strings.ReplaceAll(digits, ":", "")
	if sum, err := hex.DecodeString(digits); !ok || err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("%w: ca-key %q: want sha256: and the SHA-256 of the CA's public key info in hex; pap-admin ban subject-issuer --cert FILE takes it from the certificate", change.ErrInvalid, value)
	}
	return "sha256:" + digits, nil
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func banNames() string {
	var names []string
	for _, identity := range profile.Identities() {
		names = append(names, identity.Name)
	}
	return strings.Join(names, ", ")
}

// complete refuses a ban that names nobody, or not enough to name somebody.
func complete(b change.Ban) error {
	has := map[string]bool{}
	for _, n := range b.Names {
		has[n.Attribute] = true
	}
	for _, n := range b.Names {
		if identity, _ := profile.LookupIdentity(n.Attribute); identity.Needs != "" && !has[identity.Needs] {
			return fmt.Errorf("%w: %s alone names nobody: add %s", change.ErrInvalid, n.Attribute, identity.Needs)
		}
	}
	if len(b.Names) == 0 {
		return fmt.Errorf("%w: a ban without a name would refuse everybody", change.ErrInvalid)
	}
	for _, pattern := range []string{b.Resource, b.Action} {
		if pattern == "" {
			continue
		}
		if _, err := regexp.Compile("^(?:" + pattern + ")$"); err != nil {
			return fmt.Errorf("%w: pattern %q: %w", change.ErrInvalid, pattern, err)
		}
	}
	if len(b.Reason) > maxText || len(b.Ticket) > maxText {
		return fmt.Errorf("%w: reason and ticket take at most %d bytes", change.ErrInvalid, maxText)
	}
	return nil
}

func describe(b change.Ban) string {
	var parts []string
	for _, n := range b.Names {
		parts = append(parts, fmt.Sprintf("%s=%q", n.Attribute, n.Value))
	}
	return strings.Join(parts, " ")
}

// summarize is the line of history for n bans done.
func summarize(verb string, n int, bans []change.Ban) string {
	if len(bans) == 1 && bans[0].Names != nil {
		return verb + " " + describe(bans[0])
	}
	return fmt.Sprintf("%s %d", verb, n)
}

// read runs fn over the records of one state.
func (s *Service) read(ctx context.Context, fn func(*records) error) error {
	return s.store.View(ctx, func(tx store.ReadTx) error {
		r := &records{tx: tx}
		if err := fn(r); err != nil {
			return err
		}
		return r.err
	})
}
