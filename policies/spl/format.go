package spl

import "strings"

const indentStep = "    "

// Format returns the text in the one layout, with every comment; it is read as
// the same file. A text with errors is not formatted.
func Format(name, text string) (string, error) {
	f, err := Parse(name, text)
	if err != nil {
		return "", err
	}
	p := printer{tokens: f.tokens}
	p.flatten()
	p.print()
	return p.out.String(), nil
}

// printer writes tokens. What begins a statement begins a line, unless its
// block is flat.
type printer struct {
	tokens []token
	out    strings.Builder
	depth  int
	flat   bool
	broken bool // a comment ended the line
	fresh  bool // directly behind an opening brace
}

// flatten finds the blocks that stay on their line: of a rule or obligation,
// with at most one item and no comment inside.
func (p *printer) flatten() {
	var opened []int
	for i := range p.tokens {
		switch p.tokens[i].kind {
		case open:
			opened = append(opened, i)
		case closing:
			start := opened[len(opened)-1]
			opened = opened[:len(opened)-1]
			p.tokens[start].flat = flat(p.tokens[start+1 : i+1])
		}
	}
}

// flat reports whether the tokens of a block, with its closing brace, may stay
// on one line.
func flat(tokens []token) bool {
	items := 0
	for i, t := range tokens {
		if len(t.comments) > 0 || t.kind == open || t.kind == closing && i < len(tokens)-1 {
			return false
		}
		if t.begins {
			items++
		}
	}
	return items <= 1
}

func (p *printer) print() {
	for i := range p.tokens {
		p.token(i)
	}
	if p.out.Len() > 0 {
		p.out.WriteByte('\n')
	}
}

func (p *printer) token(i int) {
	t := &p.tokens[i]
	if t.kind == closing && !p.flat {
		p.comments(t)
		p.depth--
	} else {
		p.comments(t)
	}
	line := t.begins || t.kind == closing || t.kind == eof
	switch {
	case t.kind == eof:
		return
	case p.out.Len() == 0:
	case line && !p.flat:
		p.line(t.blank && t.kind != closing)
	case p.broken:
		p.line(false)
		p.out.WriteString(indentStep)
	case !tight(p.tokens[i-1], *t):
		p.out.WriteByte(' ')
	}
	p.out.WriteString(t.text)
	p.broken, p.fresh = false, t.kind == open
	switch {
	case t.kind == open && t.flat:
		p.flat = true
	case t.kind == open:
		p.depth++
	case t.kind == closing:
		p.flat = false
	}
}

// tight reports whether no blank goes between two tokens.
func tight(a, b token) bool { return a.kind == openList || b.kind == closeList }

// comments writes the comments before a token: each on a line of its own, or
// behind what is there.
func (p *printer) comments(t *token) {
	for _, c := range t.comments {
		switch {
		case p.out.Len() == 0:
		case !c.own:
			p.out.WriteByte(' ')
		default:
			p.line(c.blank)
		}
		p.out.WriteString(c.text)
		p.broken = true
	}
}

// line begins a line, after an empty one if asked; never behind a brace.
func (p *printer) line(blank bool) {
	p.out.WriteByte('\n')
	if blank && !p.fresh {
		p.out.WriteByte('\n')
	}
	p.fresh = false
	p.out.WriteString(strings.Repeat(indentStep, p.depth))
}
