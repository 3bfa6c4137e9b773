package audit

import (
	"bytes"
	"encoding/json"
	"net"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// maxText bounds each text of a record, in bytes: a caller chooses some.
const maxText = 4 << 10

// line is a record as one line of JSON.
func line(rec authz.Record) ([]byte, error) {
	for _, s := range []*string{
		&rec.ID, &rec.Process, &rec.Peer, &rec.Subject, &rec.Issuer, &rec.Strength, &rec.Action, &rec.Resource,
		&rec.Owner, &rec.Decision, &rec.Cause, &rec.Account, &rec.Limits, &rec.Message,
	} {
		*s = clip(*s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(rec) // ends the line
	return b.Bytes(), err
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// host is a peer without its port, which changes with every connection.
func host(peer string) string {
	if h, _, err := net.SplitHostPort(peer); err == nil {
		return h
	}
	return peer
}
