package spl

import (
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// Parse reads a whole text. The error, if any, is [Errors], and the file then
// holds what could be made out.
func Parse(name, text string) (*File, error) {
	origin := policies.Position{File: name, Line: 1, Column: 1}
	p := newParser(text, origin, version(text))
	return p.file(name), p.report.err()
}

// ParseResource reads the head of a resource as [File.Pieces] cut it: without
// actions, the closing brace optional. Position says where the text begins.
func ParseResource(text string, v Version, at policies.Position) (*Resource, error) {
	p := newParser(text, at, v)
	p.piece = true
	r := &Resource{}
	if p.wants("resource") {
		r = p.resource()
	}
	p.end()
	return r, p.report.err()
}

// ParseAction reads the head of an action likewise.
func ParseAction(text string, v Version, at policies.Position) (*Action, error) {
	p := newParser(text, at, v)
	p.piece = true
	a := &Action{}
	if p.is("private") || p.wants("action") {
		a = p.action()
	}
	p.end()
	return a, p.report.err()
}

// ParseRule reads one rule.
func ParseRule(text string, v Version, at policies.Position) (*Rule, error) {
	p := newParser(text, at, v)
	r := &Rule{}
	if p.wants("rule") {
		r = p.rule()
	}
	p.end()
	return r, p.report.err()
}

type parser struct {
	version Version
	lexer   *lexer
	at      int  // the next token, counted from the first of the text
	gone    int  // how many tokens are forgotten
	piece   bool // a unit: heads without children, closing brace optional
	stray   int  // braces already closed for want of them
	report  *report
	// into takes rules, actions and resources as soon as they are read, and they
	// are forgotten; nil keeps them in the tree.
	into    *assembly
	within  *Resource // the one being read, or the last
	lowered Rule      // the last one taken
}

// newParser returns a parser of a text that is cut into tokens.
func newParser(text string, origin policies.Position, v Version) *parser {
	p := newReader(text, origin, v)
	p.lexer.all()
	return p
}

// newReader returns one that cuts the text while it reads.
func newReader(text string, origin policies.Position, v Version) *parser {
	if origin.Line == 0 {
		origin.Line, origin.Column = 1, 1
	}
	r := newReport(text, origin)
	return &parser{version: v, lexer: newLexer(text, origin, v, r), report: r, within: &Resource{}}
}

func (p *parser) peek() *token {
	if p.at-p.gone == len(p.lexer.tokens) {
		p.lexer.more()
	}
	return p.token(p.at)
}

func (p *parser) token(n int) *token { return &p.lexer.tokens[n-p.gone] }

// forget drops all tokens but the last one taken and those behind it.
func (p *parser) forget() {
	t := p.lexer.tokens
	p.lexer.tokens = t[:copy(t, t[p.at-1-p.gone:])]
	p.gone = p.at - 1
}

func (p *parser) take() *token {
	t := p.peek()
	if t.kind != eof {
		p.at++
	}
	return t
}

// is reports whether the next token is that keyword.
func (p *parser) is(word string) bool {
	t := p.peek()
	return t.kind == keyword && t.text == word
}

// wants reports whether the next token is that keyword and complains if not.
func (p *parser) wants(word string) bool {
	if p.is(word) {
		return true
	}
	p.unexpected(word)
	return false
}

// unexpected reports the next token where one of the words would do.
func (p *parser) unexpected(words ...string) {
	t := p.peek()
	found := `"` + t.text + `"`
	if t.kind == quoted {
		found = t.text
	}
	if t.kind == eof {
		found = "the end"
	}
	hint := ""
	if t.kind == word {
		hint = Suggest(t.text, words)
	}
	for i, w := range words {
		if w == "{" || w == "}" || w == "=" {
			words[i] = `"` + w + `"`
		}
	}
	p.report.add(t.at, hint, "unexpected %s: want %s", found, orList(words))
}

func orList(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return words[0]
}

func (p *parser) file(name string) *File {
	f := &File{Name: name, Version: p.version, text: p.lexer.text}
	if p.version == Two {
		p.statement()
	}
	empty := true
	for p.peek().kind != eof {
		switch {
		case p.is("resource"):
			r := p.resource()
			if p.into != nil {
				p.into.resource(r)
			} else {
				f.Resources = append(f.Resources, r)
			}
			empty = false
		case p.is("action") || p.is("private"):
			f.Actions = append(f.Actions, p.action())
			empty = false
		default:
			p.outside(empty)
		}
	}
	if empty && len(p.report.errors) == 0 {
		p.report.add(p.report.origin, "want a resource", "no policy in it")
	}
	f.tokens = p.lexer.tokens
	return f
}

// statement reads "spl 2".
func (p *parser) statement() {
	p.take().begins = true
	if t := p.take(); t.text != "2" {
		p.report.add(t.at, `write "spl 2", or nothing for version 1`, "unknown version %s", t.text)
	}
}

// outside reports what stands where a resource should, once, and passes it.
func (p *parser) outside(first bool) {
	if p.peek().kind == closing && p.stray > 0 {
		p.stray--
		p.take()
		return
	}
	if p.peek().kind == word && !first && Suggest(p.peek().text, []string{"resource", "action", "private"}) == "" || p.peek().kind == closing {
		p.report.add(p.peek().at, "remove it (Argus ignored what follows the last resource)", "unexpected %q after the end of a resource", p.peek().text)
	} else {
		p.unexpected("resource", "action")
	}
	for depth := 0; p.peek().kind != eof; {
		switch t := p.peek(); {
		case depth == 0 && t.kind == keyword && slices.Contains([]string{"resource", "action", "private"}, t.text):
			return
		case t.kind == open:
			depth++
		case t.kind == closing && depth > 0:
			depth--
		}
		p.take()
	}
}

// end wants the end of a unit.
func (p *parser) end() {
	if p.peek().kind != eof && len(p.report.errors) == 0 {
		p.unexpected("the end of the text")
	}
}

func (p *parser) resource() *Resource {
	r := &Resource{}
	p.within = r
	r.first = p.at
	r.Position = p.peek().at
	p.begin()
	p.take()
	r.Value = p.word("a resource")
	p.body(&r.span, "resource", "resource is empty: want an action, an obligation or a description", func() bool {
		switch {
		case p.is("description"):
			p.item(&r.span, func() { r.Description = p.description() })
		case p.is("obligation"):
			p.item(&r.span, func() { r.Obligations = append(r.Obligations, p.duty()) })
		case !p.piece && (p.is("action") || p.is("private")):
			r.child(p.at)
			a := p.action()
			if p.into != nil {
				p.into.action(r, a)
			} else {
				r.Actions = append(r.Actions, a)
			}
		default:
			return false
		}
		return true
	}, "description", "obligation", "action", "private")
	return r
}

func (p *parser) action() *Action {
	a := &Action{}
	a.first = p.at
	a.Position = p.peek().at
	p.begin()
	if p.is("private") {
		a.Private = true
		p.take()
	}
	if !p.wants("action") {
		p.skip()
		a.last = p.at - 1
		return a
	}
	p.take()
	a.Value = p.word("an action")
	p.body(&a.span, "action", "action is empty: want a rule, an obligation or a description", func() bool {
		switch {
		case p.is("description"):
			p.item(&a.span, func() { a.Description = p.description() })
		case p.is("obligation"):
			p.item(&a.span, func() { a.Obligations = append(a.Obligations, p.duty()) })
		case !p.piece && p.is("rule"):
			a.child(p.at)
			rule := p.rule()
			if p.into != nil {
				p.into.rule(p.within, rule)
				p.forget()
			} else {
				a.Rules = append(a.Rules, rule)
			}
		default:
			return false
		}
		return true
	}, "description", "obligation", "rule")
	return a
}

// word reads a string or bare word.
func (p *parser) word(what string) Word {
	t := p.peek()
	if t.kind == word || t.kind == quoted {
		p.take()
		return Word{Text: t.value, Raw: t.text, Position: t.at}
	}
	if t.kind == keyword {
		p.report.add(t.at, "put it in quotes", "unexpected keyword %q: want %s", t.text, what)
		p.take()
		return Word{Position: t.at}
	}
	p.unexpected(what)
	return Word{Position: t.at}
}

func (p *parser) begin() { p.peek().begins = true }

// body reads "{", items and "}". Of what is no item it reports the first token
// and skips to the next that may be one; a keyword that belongs further out
// ends the body as if its brace were there.
func (p *parser) body(s *span, what, empty string, item func() bool, wanted ...string) {
	defer func() {
		s.last = p.at - 1
		if s.head == 0 {
			s.head = s.last
			if p.token(s.last).kind == closing {
				s.head--
			}
		}
	}()
	if p.peek().kind != open {
		p.unexpected("{")
		return
	}
	p.take()
	s.body = p.at
	start := p.at
	for {
		switch t := p.peek(); {
		case t.kind == closing:
			if p.at == start && empty != "" && !p.piece {
				p.report.add(t.at, "", "%s", empty)
			}
			p.take()
			return
		case t.kind == eof && p.piece:
			return
		case t.kind == eof:
			p.report.add(t.at, `close it with "}"`, "%s does not end", what)
			return
		case item():
		case t.kind == keyword && outer(what, t.text):
			p.report.add(t.at, `is a "}" missing before it?`, "unexpected %q in a %s", t.text, what)
			p.stray++
			return
		default:
			p.unexpected(slices.Clone(wanted)...)
			p.skip()
		}
	}
}

// outer reports whether a keyword in a body can only be meant for what
// encloses it.
func outer(what, word string) bool {
	switch what {
	case "resource":
		return word == "resource"
	case "action":
		return word == "resource" || word == "action" || word == "private"
	}
	return word == "resource" || word == "action" || word == "private" || word == "rule"
}

// skip passes the next token and everything to where a statement may begin:
// a keyword, or the end of this body. Blocks are passed whole.
func (p *parser) skip() {
	for depth := 0; ; {
		switch t := p.take(); t.kind {
		case open:
			depth++
		case closing:
			depth--
		}
		t := p.peek()
		if t.kind == eof || depth <= 0 && (t.kind == closing || t.kind == keyword && t.text != "permit" && t.text != "deny") {
			return
		}
	}
}

// item reads a description or an obligation and remembers its tokens if it
// stands behind a child, from where a head must be gathered.
func (p *parser) item(s *span, read func()) {
	first := p.at
	read()
	if s.head != 0 {
		s.extra = append(s.extra, [2]int{first, p.at - 1})
	}
}

// child notes where the first child begins.
func (s *span) child(at int) {
	if s.head == 0 {
		s.head = at - 1
	}
}
