package spl

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// Kind is what a piece is.
type Kind string

// The kinds of pieces.
const (
	PieceResource Kind = "resource"
	PieceAction   Kind = "action"
	PieceRule     Kind = "rule"
)

// Piece is the part of a text that is kept by itself: a rule, or the head of a
// resource or action with the pieces inside it. Nothing that was written is
// lost between the pieces but blanks and closing braces.
type Piece struct {
	Kind     Kind
	Text     string // as written; a head ends before its first child
	Comments string // the lines before it, each with its "#"
	Position policies.Position
	Children []Piece
	trailed  bool // a comment ends Text
}

// Pieces cuts a file that parsed without error: its resources, or else its
// actions.
func (f *File) Pieces() []Piece {
	var firsts []int
	var pieces []Piece
	for _, r := range f.Resources {
		firsts = append(firsts, r.first)
		pieces = append(pieces, f.cutResource(r))
	}
	for _, a := range f.Actions {
		firsts = append(firsts, a.first)
		pieces = append(pieces, f.cutAction(a))
	}
	if len(pieces) == 0 {
		return nil
	}
	f.share(nil, firsts, pieces)
	pieces[len(pieces)-1].trail(f.tokens[len(f.tokens)-1].comments)
	for at := firsts[0]; at >= 0; at-- { // the statement "spl 2" is no piece, its comments are kept
		same, own := split(f.tokens[at].comments)
		if at < firsts[0] {
			same = append(same, own...)
		}
		pieces[0].Comments = joined(same, pieces[0].Comments)
	}
	return pieces
}

func (f *File) cutResource(r *Resource) Piece {
	firsts, children := make([]int, len(r.Actions)), make([]Piece, len(r.Actions))
	for i, a := range r.Actions {
		firsts[i], children[i] = a.first, f.cutAction(a)
	}
	return f.cut(PieceResource, &r.span, firsts, children)
}

func (f *File) cutAction(a *Action) Piece {
	firsts, children := make([]int, len(a.Rules)), make([]Piece, len(a.Rules))
	for i, r := range a.Rules {
		firsts[i], children[i] = r.first, f.cut(PieceRule, &r.span, nil, nil)
	}
	return f.cut(PieceAction, &a.span, firsts, children)
}

// cut makes the piece of a node: its head, or all of it if it is a rule.
func (f *File) cut(k Kind, s *span, firsts []int, children []Piece) Piece {
	end := s.head
	if k == PieceRule {
		end = s.last
	}
	first := &f.tokens[s.first]
	_, own := split(first.comments)
	p := Piece{Kind: k, Position: first.at, Children: children, Comments: joined(own, ""), Text: f.text[first.start:f.tokens[end].end]}
	f.share(&p, firsts, children)
	for _, e := range s.extra {
		p.Text += "\n" + f.text[f.tokens[e[0]].from():f.tokens[e[1]].end]
	}
	if k != PieceRule {
		p.trail(f.tokens[s.last].comments)
	}
	return p
}

// share gives each comment that stands on the line where a piece ends to that
// piece, not to the next.
func (f *File) share(head *Piece, firsts []int, children []Piece) {
	for i, first := range firsts {
		same, _ := split(f.tokens[first].comments)
		switch {
		case i > 0:
			children[i-1].trail(same)
		case head != nil:
			head.append(same)
		}
	}
}

// trail appends comments to the last text in a piece.
func (p *Piece) trail(comments []comment) {
	if n := len(p.Children); n > 0 {
		p.Children[n-1].trail(comments)
		return
	}
	p.append(comments)
}

// append puts comments behind the text: the first on the same line if it stood
// there, any other on its own, where none can swallow what follows.
func (p *Piece) append(comments []comment) {
	for _, c := range comments {
		if c.own || p.trailed {
			p.Text += "\n" + c.text
		} else {
			p.Text += " " + c.text
		}
		p.trailed = true
	}
}

// from returns where a token with its comments starts.
func (t *token) from() int {
	if len(t.comments) > 0 {
		return t.comments[0].start
	}
	return t.start
}

// split parts the comments on the line of the token before from the others.
func split(comments []comment) (same, own []comment) {
	n := 0
	for n < len(comments) && !comments[n].own {
		n++
	}
	return comments[:n:n], comments[n:]
}

func joined(comments []comment, rest string) string {
	var lines []string
	for _, c := range comments {
		lines = append(lines, c.text)
	}
	if rest != "" {
		lines = append(lines, rest)
	}
	return strings.Join(lines, "\n")
}
