package pap

import (
	"crypto/rand"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// piece is a unit without id and place, and what is below it.
type piece struct {
	unit  change.Unit
	below []piece
}

// maxFile bounds the text of one file (DECISIONS 33).
const maxFile = 64 << 20

// cut parses a file and cuts it into units.
func cut(f change.File) ([]piece, error) {
	if len(f.Text) > maxFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most 64 MiB", change.ErrInvalid, f.Name, len(f.Text))
	}
	switch f.Format {
	case "", change.SPL, change.SPLTwo:
		return cutSPL(f)
	}
	u := change.Unit{Kind: change.KindDocument, Format: f.Format, Text: f.Text, File: f.Name, Line: 1, Column: 1}
	if f.Format == change.XACMLTwo || f.Format == change.XACMLThree {
		node, err := xacml.Parse(f.Name, []byte(f.Text))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", change.ErrPolicy, err)
		}
		_, u.ID = node.Where() // others refer to it by that
	}
	return []piece{{unit: u}}, nil
}

func cutSPL(f change.File) ([]piece, error) {
	file, err := spl.Parse(f.Name, f.Text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", change.ErrPolicy, err)
	}
	format := change.SPL
	if file.Version == spl.Two {
		format = change.SPLTwo
	}
	if f.Format != "" && f.Format != format {
		return nil, fmt.Errorf("%w: %s is %s, not %s", change.ErrInvalid, f.Name, format, f.Format)
	}
	if len(file.Resources) > 0 && len(file.Actions) > 0 {
		return nil, fmt.Errorf("%w: %s: an action outside any resource cannot stand beside resources", change.ErrPolicy, file.Actions[0].Position)
	}
	return fromPieces(f.Name, format, file.Pieces()), nil
}

func fromPieces(name string, format change.Format, from []spl.Piece) []piece {
	pieces := make([]piece, len(from))
	for i, p := range from {
		pieces[i] = piece{unit: change.Unit{
			Kind: change.Kind(p.Kind), Format: format, Text: p.Text, Comments: p.Comments,
			File: name, Line: p.Position.Line, Column: p.Position.Column,
		}, below: fromPieces(name, format, p.Children)}
	}
	return pieces
}

// cutOne parses a file that holds what shall stand for one unit.
func cutOne(f change.File, before change.Unit) (piece, error) {
	if before.Kind == change.KindRule {
		return cutRule(f, before)
	}
	if f.Format == "" && before.Kind == change.KindDocument {
		f.Format = before.Format
	}
	pieces, err := cut(f)
	switch {
	case err != nil:
		return piece{}, err
	case len(pieces) != 1 || pieces[0].unit.Kind != before.Kind:
		return piece{}, fmt.Errorf("%w: %s must hold one %s and nothing else", change.ErrInvalid, f.Name, before.Kind)
	}
	return pieces[0], nil
}

func cutRule(f change.File, before change.Unit) (piece, error) {
	if f.Format == "" {
		f.Format = before.Format
	}
	u := change.Unit{Kind: change.KindRule, Format: f.Format, Text: f.Text, File: f.Name, Line: 1, Column: 1, Comments: before.Comments}
	if _, err := spl.ParseRule(u.Text, version(u), start(u)); err != nil {
		return piece{}, fmt.Errorf("%w: %w", change.ErrPolicy, err)
	}
	return piece{unit: u}, nil
}

func version(u change.Unit) spl.Version {
	if u.Format == change.SPLTwo {
		return spl.Two
	}
	return spl.One
}

// start is where the text of a unit begins.
func start(u change.Unit) policies.Position {
	return policies.Position{File: u.File, Line: u.Line, Column: u.Column}
}

// newID returns a random UUID (RFC 9562, version 4), as Argus names policies.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
