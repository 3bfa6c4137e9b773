package spl

import "github.com/gatehouse-authz/gatehouse/authz"

func (p *parser) rule() *Rule {
	r := p.newRule()
	r.first = p.at
	r.Position = p.peek().at
	p.begin()
	p.take()
	switch {
	case p.is("permit"):
		r.Effect = authz.Permit
		p.take()
	case p.is("deny"):
		r.Effect = authz.Deny
		p.take()
	default:
		p.unexpected("permit", "deny")
		if p.peek().kind == word {
			p.take()
		}
	}
	wanted := []string{"a condition"}
	if p.version == Two {
		wanted = append(wanted, "obligation", "advice", "because", "from", "until")
	}
	piece := p.piece
	p.piece = false // a rule needs its brace
	p.body(&r.span, "rule", "rule is empty: want a condition", func() bool { return p.ruleItem(r) }, wanted...)
	p.piece = piece
	if p.version == Two && r.Effect == authz.Permit && len(r.Conditions) == 0 && len(p.report.errors) == 0 {
		p.report.add(r.Position, `write what it asks for, such as action = ".*"`, "permit rule without a condition would permit everybody")
	}
	return r
}

// newRule returns an empty rule, which is the one before if that is lowered
// already.
func (p *parser) newRule() *Rule {
	if p.into == nil {
		return &Rule{}
	}
	p.lowered = Rule{Conditions: p.lowered.Conditions[:0]}
	return &p.lowered
}

func (p *parser) ruleItem(r *Rule) bool {
	switch t := p.peek(); {
	case t.kind == word || t.kind == quoted:
		p.begin()
		r.Conditions = append(r.Conditions, p.condition())
	case p.version == One:
		return false
	case p.is("obligation") || p.is("advice"):
		r.Duties = append(r.Duties, p.duty())
	case p.is("because"):
		r.Because = p.once(r.Because)
	case p.is("from"):
		r.From = p.once(r.From)
	case p.is("until"):
		r.Until = p.once(r.Until)
	default:
		return false
	}
	return true
}

// once reads a keyword and its string, of which a rule has one.
func (p *parser) once(before *Word) *Word {
	p.begin()
	t := p.take()
	if before != nil {
		p.report.add(t.at, "", "%s is given twice", t.text)
	}
	w := p.word("a string")
	return &w
}

func (p *parser) condition() Condition {
	c := Condition{Name: p.word("an attribute")}
	t := p.peek()
	switch {
	case t.kind == operator && (p.version == Two || t.text == "="):
		c.Operator = p.take().text
		c.Values = []Word{p.word("a value")}
	case p.is("matches"):
		c.Operator = p.take().text
		c.Values = []Word{p.word("a value")}
	case p.is("in"):
		c.Operator = p.take().text
		c.Values = p.list()
	default:
		p.unexpected("=")
		p.skipPair()
	}
	return c
}

func (p *parser) list() []Word {
	if p.peek().kind != openList {
		p.unexpected(`"("`)
		return nil
	}
	p.take()
	var values []Word
	for p.peek().kind == word || p.peek().kind == quoted {
		values = append(values, p.word("a value"))
	}
	if p.peek().kind != closeList || len(values) == 0 {
		p.unexpected("a value", `")"`)
	}
	if p.peek().kind == closeList {
		p.take()
	}
	return values
}

// skipPair passes what is left of a broken condition.
func (p *parser) skipPair() {
	for {
		switch p.peek().kind {
		case operator, openList, closeList:
			p.take()
			if k := p.peek().kind; k == word || k == quoted {
				p.take()
			}
		default:
			return
		}
	}
}

func (p *parser) description() *Word {
	p.begin()
	p.take()
	w := p.word("a string")
	return &w
}

func (p *parser) duty() Duty {
	d := Duty{Position: p.peek().at}
	p.begin()
	d.Advice = p.take().text == "advice"
	d.ID = p.word("an id")
	var s span
	piece := p.piece
	p.piece = false
	p.body(&s, "obligation", "", func() bool {
		if k := p.peek().kind; k != word && k != quoted {
			return false
		}
		p.begin()
		pair := Pair{Name: p.word("an attribute")}
		if t := p.peek(); t.kind != operator || t.text != "=" {
			p.unexpected("=")
			p.skipPair()
			return true
		}
		p.take()
		pair.Value = p.word("a value")
		d.Pairs = append(d.Pairs, pair)
		return true
	}, "an attribute")
	p.piece = piece
	return d
}
