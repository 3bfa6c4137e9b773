package token

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/renameio/v2"
)

// kept is a key set as it lies in Options.Keep, with the moment it was last
// confirmed: a restart makes no key set younger.
type kept struct {
	Issuer    string         `json:"issuer"`
	From      string         `json:"from"`
	Confirmed time.Time      `json:"confirmed"`
	Keys      jsontext.Value `json:"keys"`
}

// keepsAt is the file of the issuer's keys, "" if they are not kept. The keys of
// another URL are in another file.
func (s *source) keepsAt() string {
	if s.options.Keep == "" || s.JWKS == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Issuer.Issuer + "\x00" + s.JWKS))
	return filepath.Join(s.options.Keep, "jwks-"+hex.EncodeToString(sum[:16])+".json")
}

// keep writes down what was just confirmed. If it cannot, only a restart is the
// poorer for it.
func (s *source) keep(data []byte, confirmed time.Time) {
	path := s.keepsAt()
	if path == "" {
		return
	}
	text, err := json.Marshal(kept{s.Issuer.Issuer, s.JWKS, confirmed.UTC().Round(0), data})
	if err == nil {
		err = renameio.WriteFile(path, text, 0o600)
	}
	if err != nil {
		s.options.Log.Warn("the keys of a token issuer cannot be kept for a restart", "issuer", s.Issuer.Issuer, "error", err)
	}
}

// restore brings back the keys of before a restart, if they may still be used.
// What is wrong with them is logged: the issuer is asked anyway.
func (s *source) restore() {
	path := s.keepsAt()
	if path == "" {
		return
	}
	set, err := s.restored(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.options.Log.Warn("the keys of a token issuer that were kept are not used", "issuer", s.Issuer.Issuer, "file", path, "error", err)
	default:
		s.keys.Store(set)
	}
}

func (s *source) restored(path string) (*keySet, error) {
	text, err := s.options.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(text, &k, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	age := s.options.Now().Sub(k.Confirmed)
	switch {
	case k.Issuer != s.Issuer.Issuer || k.From != s.JWKS:
		return nil, errors.New("they are another issuer's")
	case age < 0:
		return nil, fmt.Errorf("they were confirmed at %s, which is not yet", k.Confirmed.Format(time.RFC3339))
	case age > s.MaxStale:
		return nil, fmt.Errorf("they were last confirmed at %s, longer ago than %s", k.Confirmed.Format(time.RFC3339), s.MaxStale)
	case len(k.Keys) > maxKeySet:
		return nil, fmt.Errorf("longer than %d bytes", maxKeySet)
	}
	keys, _, err := parseKeys(k.Keys, s.Algorithms)
	return &keySet{keys: keys, confirmed: k.Confirmed}, err
}
