package eval_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The naive evaluator: the tables of XACML 3.0 core, section 7 and annex C,
// and the rules of the package comment, written down as directly as can be. It
// shares values and the policy tree with the engine and nothing else.

// result is a decision with its extent ("P", "D", "DP") and duties.
type result struct {
	decision    string // "Permit", "Deny", "NotApplicable", "Indeterminate"
	extent      string
	obligations []authz.Obligation
	advice      []authz.Obligation
	exhausted   bool // access-permitted was asked more often than it may
}

var errNaive = errors.New("indeterminate")

type naive struct {
	request   *authz.Request
	library   []policies.Node
	now       time.Time
	onlyWhole bool // count verified attributes only, in every view
	denying   bool // the view: false permit, true deny
	inverted  bool // within none-of
	variables []policies.Variable
	snapshot  *policies.Snapshot
	calls     *naiveCalls // of access-permitted
	depth     int
}

func naively(s *policies.Snapshot, r *authz.Request, now time.Time) result {
	n := &naive{snapshot: s, request: r, library: s.Library, now: now, calls: &naiveCalls{}}
	out := n.whole(s)
	out.exhausted = n.calls.total > mostNaiveCalls
	return out
}

func (n *naive) whole(s *policies.Snapshot) result {
	first := n.set(s.Root, true, true)
	if first.decision != "Permit" {
		return first
	}
	n.onlyWhole = true
	if alone := n.set(s.Root, true, true); alone.decision != "Permit" {
		return alone
	}
	return first
}

// in returns the evaluator in a view.
func (n *naive) in(denying bool) *naive {
	m := *n
	m.denying = denying
	return &m
}

func (n *naive) attribute(d *policies.Designator) ([]authz.Value, error) {
	all := n.denying != n.inverted && !n.onlyWhole
	var bag []authz.Value
	supplied := false
	for _, a := range n.request.Attributes {
		if a.Category != d.Category || a.ID != d.ID || d.Issuer != "" && a.Issuer != d.Issuer {
			continue
		}
		if a.Standing != authz.Verified && !all {
			continue
		}
		supplied = supplied || a.Standing == authz.Verified && len(a.Values) > 0
		for _, v := range a.Values {
			if d.Type == "" || v.Type() == d.Type {
				bag = append(bag, v)
			}
		}
	}
	if d.Category == authz.Environment && d.Issuer == "" && !supplied && strings.HasSuffix(d.ID, ":current-date") && (d.Type == authz.Date || d.Type == "") {
		v, _ := authz.ParseValue(authz.Date, n.now.Format("2006-01-02Z07:00"))
		bag = append(bag, v)
	}
	if len(bag) == 0 && d.MustBePresent {
		return nil, errNaive
	}
	return bag, nil
}

// Section 7.6 and tables 1 to 3: "M", "N" or "I".
func (n *naive) match(m policies.Match) string {
	bag, err := n.attribute(m.Attribute.(*policies.Designator))
	if err != nil {
		return "I"
	}
	state := "N"
	for _, v := range bag {
		got, err := n.call(m.Function, []naiveValue{{one: m.Value}, {one: v}})
		switch {
		case err == nil && got.one.Text() == "true":
			return "M"
		case err != nil:
			state = "I"
		}
	}
	return state
}

func (n *naive) target(t *policies.Target) string {
	if t == nil {
		return "M"
	}
	var parts []string
	for _, any := range t.AnyOf {
		var alternatives []string
		for _, all := range any.AllOf {
			var matches []string
			for _, m := range all.Matches {
				matches = append(matches, n.match(m))
			}
			alternatives = append(alternatives, conjunction(matches))
		}
		switch {
		case slices.Contains(alternatives, "M"):
			parts = append(parts, "M")
		case slices.Contains(alternatives, "I"):
			parts = append(parts, "I")
		default:
			parts = append(parts, "N")
		}
	}
	return conjunction(parts)
}

func conjunction(parts []string) string {
	switch {
	case slices.Contains(parts, "N"):
		return "N"
	case slices.Contains(parts, "I"):
		return "I"
	}
	return "M"
}

func extentLetter(e authz.Effect) string { return e.String()[:1] }

// Table 4, and the time in which a rule holds.
func (n *naive) rule(r *policies.Rule, permits, denies bool) result {
	na := result{decision: "NotApplicable"}
	deny := r.Effect == authz.Deny
	if deny && !denies || !deny && !permits {
		return na
	}
	if !r.From.IsZero() && n.now.Before(r.From) || !r.Until.IsZero() && !n.now.Before(r.Until) {
		return na
	}
	m := n.in(deny)
	bad := result{decision: "Indeterminate", extent: extentLetter(r.Effect)}
	switch m.target(r.Target) {
	case "N":
		return na
	case "I":
		return bad
	}
	if r.Condition != nil {
		v, err := m.eval(r.Condition)
		switch {
		case err != nil:
			return bad
		case v.one.Text() != "true":
			return na
		}
	}
	out := result{decision: r.Effect.String()}
	if m.duties(&out, r.Obligations, r.Advice) != nil {
		return bad
	}
	return out
}

// Section 7.18: the duties of an effect, or an error.
func (n *naive) duties(out *result, obligations, advice []policies.Duty) error {
	for i, list := range [][]policies.Duty{obligations, advice} {
		for _, d := range list {
			if d.On.String() != out.decision {
				continue
			}
			o := authz.Obligation{ID: d.ID, Assignments: []authz.Assignment{}}
			for _, a := range d.Assignments {
				v, err := n.eval(a.Expression)
				if err != nil {
					return err
				}
				values := v.bag
				if !v.isBag {
					values = []authz.Value{v.one}
				}
				for _, value := range values {
					o.Assignments = append(o.Assignments, authz.Assignment{ID: a.ID, Category: a.Category, Issuer: a.Issuer, Value: value})
				}
			}
			if i == 0 {
				out.obligations = append(out.obligations, o)
			} else {
				out.advice = append(out.advice, o)
			}
		}
	}
	return nil
}

type naiveChild struct {
	eval       func(permits, denies bool) result
	applicable func(permits, denies bool) string
	isRule     bool
	effect     authz.Effect
}

func (n *naive) policy(p *policies.Policy, permits, denies bool) result {
	m := *n
	m.variables = p.Variables
	var children []naiveChild
	for r := range p.Rules.All() {
		children = append(children, naiveChild{isRule: true, effect: r.Effect, eval: func(p, d bool) result { return m.rule(r, p, d) }})
	}
	return m.combined(&p.Header, children, false, permits, denies)
}

func (n *naive) set(s *policies.PolicySet, permits, denies bool) result {
	m := *n
	m.variables = nil
	var children []naiveChild
	for c := range s.Children.All() {
		children = append(children, naiveChild{
			eval:       func(p, d bool) result { return m.node(c, p, d) },
			applicable: func(p, d bool) string { return m.applicable(c, p, d) },
		})
	}
	return m.combined(&s.Header, children, true, permits, denies)
}

func (n *naive) node(c policies.Node, permits, denies bool) result {
	switch c := c.(type) {
	case *policies.PolicySet:
		return n.set(c, permits, denies)
	case *policies.Policy:
		return n.policy(c, permits, denies)
	case *policies.Reference:
		if to := n.find(c); to != nil {
			return n.node(to, permits, denies)
		}
	}
	return result{decision: "Indeterminate", extent: "DP"}
}

// find knows plain versions only: the generator makes no patterns.
func (n *naive) find(r *policies.Reference) policies.Node {
	var best policies.Node
	newest := ""
	for _, l := range n.library {
		switch l := l.(type) {
		case *policies.Policy:
			if !r.Set && l.ID == r.ID && (r.Version == "" || r.Version == l.Version) && l.Version > newest {
				best, newest = l, l.Version
			}
		case *policies.PolicySet:
			if r.Set && l.ID == r.ID && (r.Version == "" || r.Version == l.Version) && l.Version > newest {
				best, newest = l, l.Version
			}
		}
	}
	return best
}

func headerOf(c policies.Node) *policies.Header {
	switch c := c.(type) {
	case *policies.PolicySet:
		return &c.Header
	case *policies.Policy:
		return &c.Header
	}
	return nil
}

// views evaluates a target in both views: "-" where the view is closed.
func (n *naive) views(t *policies.Target, permits, denies bool) (p, d string) {
	p, d = "-", "-"
	if permits {
		p = n.in(false).target(t)
	}
	if denies {
		d = n.in(true).target(t)
	}
	return p, d
}

func (n *naive) applicable(c policies.Node, permits, denies bool) string {
	if r, ok := c.(*policies.Reference); ok {
		to := n.find(r)
		if to == nil {
			return "I"
		}
		return n.applicable(to, permits, denies)
	}
	m := *n
	if p, ok := c.(*policies.Policy); ok {
		m.variables = p.Variables
	}
	p, d := m.views(headerOf(c).Target, permits, denies)
	switch {
	case p == "M" || d == "M":
		return "M"
	case p == "I" || d == "I":
		return "I"
	}
	return "N"
}

// combined is tables 5 to 7, view by view.
func (n *naive) combined(h *policies.Header, children []naiveChild, set, permits, denies bool) result {
	p, d := n.views(h.Target, permits, denies)
	permits, denies = p == "M" || p == "I", d == "M" || d == "I"
	if !permits && !denies {
		return result{decision: "NotApplicable"}
	}
	out := naiveCombine(string(h.Combining), children, set, permits, denies)
	switch {
	case out.decision == "Permit" && !permits, out.decision == "Deny" && !denies:
		return result{decision: "NotApplicable"}
	case out.decision == "Permit" && p == "I":
		return result{decision: "Indeterminate", extent: "P"}
	case out.decision == "Deny" && d == "I":
		return result{decision: "Indeterminate", extent: "D"}
	case out.decision == "Indeterminate":
		extent := ""
		if strings.Contains(out.extent, "D") && denies {
			extent += "D"
		}
		if strings.Contains(out.extent, "P") && permits {
			extent += "P"
		}
		if extent == "" {
			return result{decision: "NotApplicable"}
		}
		return result{decision: "Indeterminate", extent: extent}
	case out.decision == "NotApplicable":
		return result{decision: "NotApplicable"}
	}
	if n.in(out.decision == "Deny").duties(&out, h.Obligations, h.Advice) != nil {
		return result{decision: "Indeterminate", extent: out.decision[:1]}
	}
	return out
}

// naiveCombine is annex C: the pseudo-code over the list of what the children
// evaluated to, in order; lazily, because a child after the deciding one is not
// evaluated.
func naiveCombine(algorithm string, children []naiveChild, set, permits, denies bool) result {
	name := strings.TrimPrefix(algorithm, "urn:oasis:names:tc:xacml:")
	version, name, _ := strings.Cut(name, ":")
	_, name, _ = strings.Cut(name, ":")
	name = strings.TrimPrefix(name, "ordered-")
	old := version != "3.0"
	var seen []result
	count := func(decision, extent string) int {
		k := 0
		for _, r := range seen {
			if r.decision == decision && r.extent == extent {
				k++
			}
		}
		return k
	}
	with := func(decision string) result { // the children's duties go with the decision
		out := result{decision: decision}
		for _, r := range seen {
			if r.decision == decision {
				out.obligations = append(out.obligations, r.obligations...)
				out.advice = append(out.advice, r.advice...)
			}
		}
		return out
	}
	bad := func(extent string) result { return result{decision: "Indeterminate", extent: extent} }
	anyBad := func() string {
		e := ""
		for _, letter := range []string{"D", "P"} {
			for _, r := range seen {
				if r.decision == "Indeterminate" && strings.Contains(r.extent, letter) {
					e += letter
					break
				}
			}
		}
		return e
	}
	switch name {
	case "only-one-applicable":
		var chosen *naiveChild
		for i := range children {
			switch children[i].applicable(permits, denies) {
			case "I":
				return bad("DP")
			case "M":
				if chosen != nil {
					return bad("DP")
				}
				chosen = &children[i]
			}
		}
		if chosen == nil {
			return result{decision: "NotApplicable"}
		}
		return chosen.eval(permits, denies)
	case "on-permit-apply-second":
		if len(children) < 2 || len(children) > 3 {
			return bad("DP")
		}
		condition := children[0].eval(permits, denies)
		seen = append(seen, condition)
		switch {
		case condition.decision == "Permit":
			seen = append(seen, children[1].eval(permits, denies))
		case condition.decision == "Indeterminate" && condition.extent != "D":
			return bad("DP")
		case len(children) == 2:
			return result{decision: "NotApplicable"}
		default:
			seen = append(seen, children[2].eval(permits, denies))
		}
		if last := seen[1]; last.decision == "Indeterminate" {
			return bad(last.extent)
		}
		return with(seen[1].decision)
	}
	for _, c := range children {
		r := c.eval(permits, denies)
		seen = append(seen, r)
		switch {
		case name == "first-applicable" && r.decision != "NotApplicable":
			return r
		case name == "deny-overrides" && old && set && r.decision == "Indeterminate":
			return result{decision: "Deny"}
		case (name == "deny-overrides" || name == "permit-unless-deny") && r.decision == "Deny":
			return with2(seen, "Deny")
		case (name == "permit-overrides" || name == "deny-unless-permit") && r.decision == "Permit":
			return with2(seen, "Permit")
		}
	}
	switch name {
	case "first-applicable":
		return result{decision: "NotApplicable"}
	case "deny-unless-permit":
		return with("Deny")
	case "permit-unless-deny":
		return with("Permit")
	}
	strong, weak, weakDecision := "D", "P", "Permit"
	if name == "permit-overrides" {
		strong, weak, weakDecision = "P", "D", "Deny"
	}
	switch {
	case old && set && name == "deny-overrides": // no Indeterminate came by
		if count("Permit", "") > 0 {
			return with("Permit")
		}
		return result{decision: "NotApplicable"}
	case old && set: // permit-overrides
		switch {
		case count("Deny", "") > 0:
			return with("Deny")
		case anyBad() != "":
			return bad(anyBad())
		}
		return result{decision: "NotApplicable"}
	case old: // of rules
		switch {
		case count("Indeterminate", strong) > 0:
			if count(weakDecision, "") > 0 {
				return bad("DP")
			}
			return bad(anyBad())
		case count(weakDecision, "") > 0:
			return with(weakDecision)
		case count("Indeterminate", weak) > 0:
			return bad(weak)
		}
		return result{decision: "NotApplicable"}
	}
	switch {
	case count("Indeterminate", "DP") > 0:
		return bad("DP")
	case count("Indeterminate", strong) > 0 && (count("Indeterminate", weak) > 0 || count(weakDecision, "") > 0):
		return bad("DP")
	case count("Indeterminate", strong) > 0:
		return bad(strong)
	case count(weakDecision, "") > 0:
		return with(weakDecision)
	case count("Indeterminate", weak) > 0:
		return bad(weak)
	}
	return result{decision: "NotApplicable"}
}

// with2 gives the overriding decision with the duties of the child that made
// it: it is the only one of its kind so far.
func with2(seen []result, decision string) result {
	last := seen[len(seen)-1]
	return result{decision: decision, obligations: last.obligations, advice: last.advice}
}

// naiveValue is what an expression evaluates to.
type naiveValue struct {
	one   authz.Value
	bag   []authz.Value
	isBag bool
}

func naiveBool(b bool) naiveValue { return naiveValue{one: authz.BooleanValue(b)} }

func (n *naive) eval(e policies.Expression) (naiveValue, error) {
	switch e := e.(type) {
	case *policies.Literal:
		return naiveValue{one: e.Value}, nil
	case *policies.Designator:
		bag, err := n.attribute(e)
		return naiveValue{bag: bag, isBag: true}, err
	case *policies.VariableName:
		for _, v := range n.variables {
			if v.ID == e.Variable {
				return n.eval(v.Expression)
			}
		}
	case *policies.Apply:
		return n.apply(e)
	}
	return naiveValue{}, fmt.Errorf("no such expression %T", e)
}

func (n *naive) all(list []policies.Expression) ([]naiveValue, error) {
	var out []naiveValue
	for _, e := range list {
		v, err := n.eval(e)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func lastPart(id string) string { return id[strings.LastIndexAny(id, ":/")+1:] }

func (n *naive) apply(e *policies.Apply) (naiveValue, error) {
	switch lastPart(e.Function) {
	case "and", "or":
		decides := lastPart(e.Function) == "or"
		var bad error
		for _, a := range e.Arguments {
			v, err := n.eval(a)
			if err == nil && (v.one.Text() == "true") == decides {
				return naiveBool(decides), nil
			}
			if err != nil {
				bad = err
			}
		}
		return naiveBool(!decides), bad
	case "n-of":
		return n.nOf(e)
	case "access-permitted":
		return n.accessPermitted(e)
	case "none-of":
		m := *n
		m.inverted = true
		bag, err := m.eval(e.Arguments[2])
		if err != nil {
			return naiveValue{}, err
		}
		return n.quantify(e.Arguments[0], []naiveValue{{one: e.Arguments[1].(*policies.Literal).Value}, bag}, "none")
	case "any-of", "all-of", "any-of-any", "all-of-any", "any-of-all", "all-of-all", "map":
		args, err := n.all(e.Arguments[1:])
		if err != nil {
			return naiveValue{}, err
		}
		return n.quantify(e.Arguments[0], args, lastPart(e.Function))
	}
	args, err := n.all(e.Arguments)
	if err != nil {
		return naiveValue{}, err
	}
	return n.call(e.Function, args)
}

func (n *naive) nOf(e *policies.Apply) (naiveValue, error) {
	want, err := n.eval(e.Arguments[0])
	if err != nil {
		return naiveValue{}, err
	}
	need, _ := new(big.Int).SetString(want.one.Text(), 10)
	if need.Sign() < 0 || need.Cmp(big.NewInt(int64(len(e.Arguments)-1))) > 0 {
		return naiveValue{}, errNaive
	}
	yes, unknown := int64(0), int64(0)
	for _, a := range e.Arguments[1:] {
		v, err := n.eval(a)
		switch {
		case err != nil:
			unknown++
		case v.one.Text() == "true":
			yes++
		}
	}
	switch {
	case yes >= need.Int64():
		return naiveBool(true), nil
	case yes+unknown < need.Int64():
		return naiveBool(false), nil
	}
	return naiveValue{}, errNaive
}

// quantify applies a predicate to the elements of bags.
func (n *naive) quantify(f policies.Expression, args []naiveValue, how string) (naiveValue, error) {
	function := f.(*policies.FunctionName).Function
	call := func(values ...authz.Value) (naiveValue, error) {
		var in []naiveValue
		for _, v := range values {
			in = append(in, naiveValue{one: v})
		}
		return n.call(function, in)
	}
	var table [][]authz.Value // every argument as a list
	for _, a := range args {
		if a.isBag {
			table = append(table, a.bag)
		} else {
			table = append(table, []authz.Value{a.one})
		}
	}
	holds := func(values ...authz.Value) string {
		v, err := call(values...)
		switch {
		case err != nil:
			return "I"
		case v.one.Text() == "true":
			return "T"
		}
		return "F"
	}
	exists := func(list []string) string {
		switch {
		case slices.Contains(list, "T"):
			return "T"
		case slices.Contains(list, "I"):
			return "I"
		}
		return "F"
	}
	every := func(list []string) string {
		switch {
		case slices.Contains(list, "F"):
			return "F"
		case slices.Contains(list, "I"):
			return "I"
		}
		return "T"
	}
	out := ""
	switch how {
	case "map":
		bag := []authz.Value{}
		for _, v := range product(table) {
			got, err := call(v...)
			if err != nil {
				return naiveValue{}, err
			}
			bag = append(bag, got.one)
		}
		return naiveValue{bag: bag, isBag: true}, nil
	case "any-of", "any-of-any", "all-of", "none":
		var list []string
		for _, v := range product(table) {
			list = append(list, holds(v...))
		}
		switch how {
		case "all-of":
			out = every(list)
		case "none":
			out = "T"
			if slices.Contains(list, "T") {
				out = "F"
			}
			if slices.Contains(list, "I") {
				out = "I"
			}
		default:
			out = exists(list)
		}
	default:
		var rows []string
		for _, a := range table[0] {
			var row []string
			for _, b := range table[1] {
				row = append(row, holds(a, b))
			}
			if strings.HasSuffix(how, "any") {
				rows = append(rows, exists(row))
			} else {
				rows = append(rows, every(row))
			}
		}
		out = exists(rows)
		if strings.HasPrefix(how, "all") {
			out = every(rows)
		}
	}
	if out == "I" {
		return naiveValue{}, errNaive
	}
	return naiveBool(out == "T"), nil
}

func product(table [][]authz.Value) [][]authz.Value {
	rows := [][]authz.Value{{}}
	for _, column := range table {
		var next [][]authz.Value
		for _, row := range rows {
			for _, v := range column {
				next = append(next, append(slices.Clone(row), v))
			}
		}
		rows = next
	}
	return rows
}

func contains(bag []authz.Value, v authz.Value) bool {
	return slices.ContainsFunc(bag, func(w authz.Value) bool { return w.Equal(v) })
}

func distinct(bag []authz.Value) []authz.Value {
	var out []authz.Value
	for _, v := range bag {
		if !contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func subset(a, b []authz.Value) bool {
	return !slices.ContainsFunc(a, func(v authz.Value) bool { return !contains(b, v) })
}

func number(v naiveValue) *big.Int {
	n, ok := new(big.Int).SetString(strings.TrimSpace(v.one.Text()), 10)
	if !ok {
		panic("no number: " + v.one.Text())
	}
	return n
}

// call applies a function of the generator's vocabulary to values.
func (n *naive) call(id string, a []naiveValue) (naiveValue, error) {
	if v, known, err := naiveOwn(id, a); known {
		return naiveBool(v), err
	}
	name := lastPart(id)
	typ, op, _ := strings.Cut(name, "-")
	switch op {
	case "one-and-only":
		if len(a[0].bag) != 1 {
			return naiveValue{}, errNaive
		}
		return naiveValue{one: a[0].bag[0]}, nil
	case "bag-size":
		return naiveValue{one: authz.IntegerValue(int64(len(a[0].bag)))}, nil
	case "is-in":
		return naiveBool(contains(a[1].bag, a[0].one)), nil
	case "bag":
		out := naiveValue{isBag: true}
		for _, v := range a {
			out.bag = append(out.bag, v.one)
		}
		return out, nil
	case "intersection":
		var both []authz.Value
		for _, v := range distinct(a[0].bag) {
			if contains(a[1].bag, v) {
				both = append(both, v)
			}
		}
		return naiveValue{bag: both, isBag: true}, nil
	case "union":
		var union []authz.Value
		for _, b := range a {
			union = append(union, b.bag...)
		}
		return naiveValue{bag: distinct(union), isBag: true}, nil
	case "at-least-one-member-of":
		return naiveBool(slices.ContainsFunc(a[0].bag, func(v authz.Value) bool { return contains(a[1].bag, v) })), nil
	case "subset":
		return naiveBool(subset(a[0].bag, a[1].bag)), nil
	case "set-equals":
		return naiveBool(subset(a[0].bag, a[1].bag) && subset(a[1].bag, a[0].bag)), nil
	case "equal":
		return naiveBool(a[0].one.Equal(a[1].one)), nil
	case "equal-ignore-case":
		return naiveBool(strings.EqualFold(a[0].one.Text(), a[1].one.Text())), nil
	case "greater-than", "greater-than-or-equal", "less-than", "less-than-or-equal":
		c := strings.Compare(a[0].one.Text(), a[1].one.Text())
		switch x, y := a[0].one.Data(), a[1].one.Data(); x := x.(type) {
		case *big.Int:
			c = number(a[0]).Cmp(number(a[1]))
		case float64:
			c = map[bool]int{x < y.(float64): -1, x > y.(float64): 1}[true]
			if math.IsNaN(x) || math.IsNaN(y.(float64)) {
				return naiveBool(false), nil
			}
		case authz.Moment:
			_, zoned := x.Zone()
			if _, too := y.(authz.Moment).Zone(); typ == "time" && zoned != too {
				return naiveValue{}, errNaive
			}
			c = x.Compare(y.(authz.Moment))
		}
		return naiveBool(map[string]bool{"greater-than": c > 0, "greater-than-or-equal": c >= 0, "less-than": c < 0, "less-than-or-equal": c <= 0}[op]), nil
	case "match":
		return naiveBool(naiveTop(a[0].one.Data().(authz.DN), a[1].one.Data().(authz.DN))), nil
	case "regexp-match":
		re, err := regexp.Compile(a[0].one.Text())
		return naiveBool(err == nil && re.MatchString(a[1].one.Text())), err
	}
	return naivePlain(name, a)
}

func naivePlain(name string, a []naiveValue) (naiveValue, error) {
	text := func(s string) (naiveValue, error) { return naiveValue{one: authz.StringValue(s)}, nil }
	integer := func(n *big.Int) (naiveValue, error) { return naiveValue{one: authz.BigIntegerValue(n)}, nil }
	switch name {
	case "not":
		return naiveBool(a[0].one.Text() != "true"), nil
	case "integer-add", "integer-multiply":
		sum := number(a[0])
		for _, v := range a[1:] {
			if name == "integer-add" {
				sum = new(big.Int).Add(sum, number(v))
			} else {
				sum = new(big.Int).Mul(sum, number(v))
			}
		}
		return integer(sum)
	case "integer-subtract":
		return integer(new(big.Int).Sub(number(a[0]), number(a[1])))
	case "integer-divide", "integer-mod":
		x, y := number(a[0]), number(a[1])
		if y.Sign() == 0 {
			return naiveValue{}, errNaive
		}
		quotient := new(big.Int).Div(new(big.Int).Abs(x), new(big.Int).Abs(y))
		if x.Sign() != y.Sign() {
			quotient.Neg(quotient)
		}
		if name == "integer-divide" {
			return integer(quotient)
		}
		return integer(new(big.Int).Sub(x, new(big.Int).Mul(quotient, y)))
	case "integer-abs":
		return integer(new(big.Int).Abs(number(a[0])))
	case "string-concatenate":
		s := ""
		for _, v := range a {
			s += v.one.Text()
		}
		return text(s)
	case "string-normalize-space":
		return text(strings.Trim(a[0].one.Text(), " \t\r\n"))
	case "string-normalize-to-lower-case":
		return text(strings.ToLower(a[0].one.Text()))
	case "string-starts-with":
		return naiveBool(strings.HasPrefix(a[1].one.Text(), a[0].one.Text())), nil
	case "string-contains":
		return naiveBool(strings.Contains(a[1].one.Text(), a[0].one.Text())), nil
	case "string-substring":
		s := a[0].one.Text()
		from, to := number(a[1]).Int64(), number(a[2]).Int64()
		if to == -1 {
			to = int64(len(s))
		}
		if from < 0 || to < from || to > int64(len(s)) {
			return naiveValue{}, errNaive
		}
		return text(s[from:to])
	case "string-from-integer":
		return text(number(a[0]).String())
	case "integer-from-string":
		n, ok := new(big.Int).SetString(a[0].one.Text(), 10)
		if !ok {
			return naiveValue{}, errNaive
		}
		return integer(n)
	}
	return naiveValue{}, fmt.Errorf("the naive evaluator has no function %q", name)
}

// naiveOwn is the functions of package profile, by its comment.
func naiveOwn(id string, a []naiveValue) (holds, known bool, err error) {
	if len(a) != 2 {
		return false, false, nil
	}
	want, have := a[0].one.Text(), a[1].one.Text()
	trim := func(s string) string { return strings.Trim(s, " \t\r\n") }
	same := func(s string) string {
		f, err := authz.ParseFQAN(s)
		if err != nil {
			return "?" + s
		}
		return f.String()
	}
	switch id {
	case profile.FunctionAnchoredRegexp:
		re, err := regexp.Compile("^(?:" + want + ")$")
		return err == nil && re.MatchString(have), true, err
	case profile.FunctionFQAN:
		return same(want) == same(have) && same(want)[0] != '?', true, nil
	case profile.FunctionBanName:
		return authz.BanKey(want) == authz.BanKey(have), true, nil
	case profile.FunctionBanText:
		return trim(want) == trim(have), true, nil
	case profile.FunctionBanURI:
		fold := func(s string) string { return strings.TrimRight(strings.ToLower(trim(s)), "/") }
		return fold(want) == fold(have), true, nil
	case profile.FunctionBanVO:
		parts := strings.Split(have, "/")
		vo := parts[0]
		if strings.HasPrefix(have, "/") {
			vo = parts[1]
		}
		return vo == want, true, nil
	case profile.FunctionFQANPattern:
		return naivePattern(want, have), true, nil
	case profile.FunctionBanFQAN:
		return naivePattern(want, have) || trim(want) == trim(have), true, nil
	case profile.FunctionNetwork:
		host, length, cut := strings.Cut(want, "/")
		network, ofNetwork, _ := naiveBits(host)
		n, err := strconv.Atoi(length)
		switch {
		case !cut:
			n = len(network)
		case ofNetwork == "4" && strings.Contains(host, ":"):
			n -= 96
		}
		addr, of, err2 := naiveBits(trim(have))
		if err2 != nil || cut && err != nil {
			return false, true, errNaive
		}
		return of == ofNetwork && n >= 0 && addr[:n] == network[:n], true, nil
	case profile.FunctionSubtree:
		d, err := authz.ParseDN(have)
		if structured, ok := a[1].one.Data().(authz.DN); ok {
			d, err = structured, nil
		}
		return err == nil && naiveTop(a[0].one.Data().(authz.DN), d), true, nil
	case profile.FunctionBanSubtree:
		count := map[string]int{}
		for _, piece := range strings.Split(authz.BanKey(have), "\x00") {
			count[piece]++
		}
		for _, piece := range strings.Split(authz.BanKey(want), "\x00") {
			count[piece]--
		}
		for _, piece := range strings.Split(authz.BanKey(want), "\x00") {
			if count[piece] < 0 {
				return false, true, nil
			}
		}
		return true, true, nil
	}
	ranks := map[string]int{"anonymous": 1, "weak": 2, "strong": 3}
	for function, test := range map[string]func(int) bool{
		profile.FunctionStrengthLess:           func(c int) bool { return c < 0 },
		profile.FunctionStrengthLessOrEqual:    func(c int) bool { return c <= 0 },
		profile.FunctionStrengthGreater:        func(c int) bool { return c > 0 },
		profile.FunctionStrengthGreaterOrEqual: func(c int) bool { return c >= 0 },
	} {
		if id == function {
			if ranks[have] == 0 {
				return false, true, errNaive
			}
			return test(ranks[want] - ranks[have]), true, nil
		}
	}
	return false, false, nil
}

// naiveBits returns the bits of an address, and of which family it is.
func naiveBits(text string) (digits, family string, err error) {
	text, _, _ = strings.Cut(text, "%")
	addr, err := netip.ParseAddr(text)
	all := ""
	for _, b := range addr.As16() {
		all += fmt.Sprintf("%08b", b)
	}
	mapped := strings.Repeat("0", 80) + strings.Repeat("1", 16)
	if strings.HasPrefix(all, mapped) {
		return all[96:], "4", err
	}
	return all, "6", err
}

// naiveTop compares the first RDNs one by one.
func naiveTop(top, d authz.DN) bool {
	if len(top.RDNs()) > len(d.RDNs()) {
		return false
	}
	for i := range top.RDNs() {
		x, _ := authz.NewDN(top.RDNs()[i : i+1])
		y, _ := authz.NewDN(d.RDNs()[i : i+1])
		if !x.Equal(y) {
			return false
		}
	}
	return true
}

// naivePattern reads a pattern by rewriting it as a regular expression.
func naivePattern(pattern, text string) bool {
	f, err := authz.ParseFQAN(text)
	if err != nil {
		return false
	}
	group, role, hasRole := strings.Cut(pattern, "/Role=")
	re := regexp.QuoteMeta(strings.TrimSuffix(group, "/*"))
	if strings.HasSuffix(group, "/*") {
		re += "(/[^=]*)?"
	}
	switch {
	case hasRole && role == "*":
		re += "/Role=[^/]+"
	case hasRole && role != "NULL":
		re += "/Role=" + regexp.QuoteMeta(role)
	}
	return regexp.MustCompile("^" + re + "$").MatchString(f.String())
}
