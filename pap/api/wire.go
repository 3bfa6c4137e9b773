package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/go-json-experiment/json"
)

// Limits of bodies (DECISIONS 33) and times.
const (
	MaxPolicyBody = 64 << 20 // texts, bans, persons
	MaxBody       = 1 << 20  // everything else

	DefaultHold = 30 * time.Second // how long the feed is held
	DefaultWait = 10 * time.Second // how long wait= waits if it says nothing
	MaxWait     = time.Minute
)

// The bodies of requests and answers that are more than a noun of change.
type (
	bansBody struct {
		Bans []change.Ban `json:"bans"`
	}
	unitsBody struct {
		Rules []change.Unit `json:"rules"`
	}
	papsBody struct {
		PAPs []change.PAP `json:"paps"`
	}
	personsBody struct {
		Persons []change.Person `json:"persons"`
		Remove  []string        `json:"remove,omitempty"` // ids, in a change only
	}
	rowsBody struct {
		Attributes []change.Row `json:"attributes"`
	}
	entriesBody struct {
		Entries []change.Entry `json:"entries"`
	}
	differences struct {
		Differences []change.Difference `json:"differences"`
	}
	aliasesBody struct {
		Aliases []string `json:"aliases"`
	}
	followers struct {
		Followers []change.Follower `json:"followers"`
	}

	newRules struct {
		Rule *change.Rule `json:"rule,omitempty"`
		File *change.File `json:"file,omitempty"`
		At   change.At    `json:"at,omitzero"`
	}
	rulePatch struct {
		Before string       `json:"before,omitempty"`
		After  string       `json:"after,omitempty"`
		File   *change.File `json:"file,omitempty"`
	}
	progress struct {
		Applied authz.Revision `json:"applied,omitzero"`
		Settled authz.Revision `json:"settled,omitzero"`
	}
	pong struct {
		Service  string         `json:"service"`
		Version  string         `json:"version"`
		Revision authz.Revision `json:"revision,omitzero"`
	}
)

// strict reads the one JSON value in data; unknown and repeated names are
// errors, and so is text that is not UTF-8.
func strict(data []byte, v any) error {
	return json.Unmarshal(data, v, json.RejectUnknownMembers(true))
}

// readBody reads a JSON body of at most limit bytes into v.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	// A page in a browser can send other types to us unasked.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fmt.Errorf("%w: the body must be of type application/json", change.ErrInvalid)
	}
	if r.ContentLength > limit {
		return fmt.Errorf("%w: a body of %d bytes, at most %d", ErrTooLarge, r.ContentLength, limit)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, limit)
	case err != nil:
		return fmt.Errorf("%w: the body broke off: %w", change.ErrInvalid, err)
	}
	if err := strict(data, v); err != nil {
		return fmt.Errorf("%w: %w", change.ErrInvalid, err)
	}
	return nil
}

// FormatRevision writes a revision as headers and parameters carry it:
// "42@lineage", or "" for the zero Revision.
func FormatRevision(r authz.Revision) string {
	switch {
	case r == authz.Revision{}:
		return ""
	case r.Lineage == "": // a bare number, as people give it
		return strconv.FormatUint(r.Number, 10)
	}
	return strconv.FormatUint(r.Number, 10) + "@" + r.Lineage
}

// ParseRevision reads what FormatRevision wrote, with or without the quotes of
// an ETag. A bare number is a revision without lineage.
func ParseRevision(text string) (authz.Revision, error) {
	s := strings.TrimSpace(text)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" {
		return authz.Revision{}, nil
	}
	number, lineage, found := strings.Cut(s, "@")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || found && !isLineage(lineage) {
		return authz.Revision{}, fmt.Errorf("%w: %q is no revision: want a number, or number@lineage", change.ErrInvalid, clip(text))
	}
	return authz.Revision{Lineage: lineage, Number: n}, nil
}

func isLineage(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == ""
}

// oneLine refuses what could forge a line of a log or steer a terminal.
func oneLine(what, s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", change.ErrInvalid, what, len(s), most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%w: %s must be one line of UTF-8 text", change.ErrInvalid, what)
	}
	return nil
}

// wait reads a length of time, "" being otherwise.
func duration(text string, otherwise, most time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%w: %q is no length of time: want 10s", change.ErrInvalid, clip(text))
	}
	return min(d, most), nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
