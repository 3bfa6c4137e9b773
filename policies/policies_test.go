package policies

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
)

func TestListBehavesLikeASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := map[[2]string]*Rule{}
		var list List[*Rule]
		for range rapid.IntRange(0, 700).Draw(t, "n") {
			r := anyRule(t)
			before, n := list, list.Len()
			if rapid.IntRange(0, 3).Draw(t, "op") == 0 {
				var ok bool
				list, ok = list.Remove(r.Place, r.ID)
				_, want := model[[2]string{r.Place, r.ID}]
				require.Equal(t, want, ok)
				delete(model, [2]string{r.Place, r.ID})
			} else {
				list = list.Put(r)
				model[[2]string{r.Place, r.ID}] = r
			}
			require.Equal(t, n, before.Len(), "the old list stays")
		}
		require.Equal(t, len(model), list.Len())
		all := slices.Collect(list.All())
		require.Len(t, all, len(model))
		require.True(t, slices.IsSortedFunc(all, func(a, b *Rule) int { return compareItems(a, b) }))
		for k, r := range model {
			got, ok := list.Get(k[0], k[1])
			require.True(t, ok)
			require.Equal(t, r, got)
		}
		again := NewList(all...)
		require.Equal(t, all, slices.Collect(again.All()))
	})
}

// anyRule is a rule of which some can be rows and some cannot.
func anyRule(t *rapid.T) *Rule {
	text := func(name string) string { return rapid.SampledFrom([]string{"", "x", "a longer text"}).Draw(t, name) }
	number := func(name string) int { return rapid.SampledFrom([]int{0, 1, 7, 1 << 40}).Draw(t, name) }
	at := func(name string) Position { return Position{text(name), number(name), number(name)} }
	r := &Rule{
		Place: rapid.StringMatching("[a-c]{1,4}").Draw(t, "place"), ID: rapid.StringMatching("[xy]").Draw(t, "id"),
		Effect: authz.Deny, Description: text("description"), Because: text("because"), PAP: text("pap"),
		Ban: rapid.Bool().Draw(t, "ban"), Position: at("rule"),
	}
	switch rapid.IntRange(0, 9).Draw(t, "more") {
	case 0:
		r.Effect = authz.Permit
	case 1:
		r.From = time.Unix(7, 7).UTC()
	case 2:
		r.Until = time.Unix(7, 7)
	case 3:
		r.Until = time.Unix(1<<40, 0).UTC()
	case 4:
		r.Condition = &Literal{Value: authz.BooleanValue(true)}
	case 5:
		r.Obligations = []Duty{{ID: "x"}}
	case 6:
		r.Until = time.Unix(7, 7).UTC()
	case 7:
		return r
	}
	value := rapid.SampledFrom([]authz.Value{authz.StringValue(""), authz.StringValue("x"), authz.StringValue("/CN=x"), authz.URIValue("x"), authz.BooleanValue(true)}).Draw(t, "value")
	d := &Designator{Category: authz.Subject, ID: text("attribute"), MustBePresent: rapid.Bool().Draw(t, "present"), Position: at("designator")}
	match := Match{Function: text("function"), Value: value, Attribute: d, Position: at("match")}
	matches := []Match{match, match}[:rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "matches")]
	r.Target = &Target{AnyOf: []AnyOf{{AllOf: []AllOf{{Matches: matches}}}}, Position: at("target")}
	return r
}

// Bans are kept as rows that share their shape, and stay rows when one is put
// among them or taken away; others stay what they are and the same.
func TestBansAreRows(t *testing.T) {
	ban := func(i int) *Rule {
		return &Rule{
			ID: fmt.Sprint(1000 + i), Place: "p", Effect: authz.Deny, Ban: true, Because: "you are banned", Until: time.Unix(int64(i), 0).UTC(),
			Target: &Target{AnyOf: []AnyOf{{AllOf: []AllOf{{Matches: []Match{{Value: authz.StringValue(fmt.Sprint("/CN=", i)), Attribute: &Designator{ID: "subject"}}}}}}}},
		}
	}
	other := rule("p", "1500x")
	var b Builder[*Rule]
	for i := range 1000 {
		require.False(t, b.Add(ban(i)))
	}
	require.True(t, b.Add(other))
	list := b.List().Put(ban(2000))
	list, found := list.Remove("p", "1007")
	require.True(t, found)
	shapes, rows := map[*Shape]int{}, 0
	for _, chunk := range list.Chunks() {
		for _, it := range chunk {
			if row, ok := it.(*Row); ok {
				shapes[row.Shape()]++
				rows++
				require.True(t, row.Ban())
				require.NotContains(t, row.text, "you are banned", "what all say is said once")
			} else {
				require.Same(t, other, it)
			}
		}
	}
	require.Equal(t, 1000, rows)
	require.Len(t, shapes, 1)
	got, _ := list.Get("p", "1003")
	require.Equal(t, ban(3), got)
	_, found = list.Find("3000")
	require.True(t, found)
}

// A list shares with the one before it all but what changed, by identity: so
// nothing else is compiled again.
func TestListsShareWhatStays(t *testing.T) {
	var rules []*Rule
	for i := range 1000 {
		r := rule("a", fmt.Sprint(1000+i))
		r.Effect, r.Target = authz.Deny, &Target{AnyOf: []AnyOf{{AllOf: []AllOf{{Matches: []Match{{Value: authz.StringValue("x"), Attribute: &Designator{}}}}}}}}
		rules = append(rules, r)
	}
	before := NewList(rules...)
	known := map[Item]bool{}
	for _, c := range before.Chunks() {
		for _, it := range c {
			known[it] = true
		}
	}
	fresh := *rules[0]
	fresh.ID = "1000x"
	news := 0
	for _, c := range before.Put(&fresh).Chunks() {
		for _, it := range c {
			if !known[it] {
				news++
			}
		}
	}
	require.Equal(t, 1, news)
}

func TestBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := Places(rapid.IntRange(0, 100).Draw(t, "start"))
		require.True(t, slices.IsSorted(places))
		for range 200 {
			i := rapid.IntRange(0, len(places)).Draw(t, "at")
			a, b := "", ""
			if i > 0 {
				a = places[i-1]
			}
			if i < len(places) {
				b = places[i]
			}
			p, err := Between(a, b)
			require.NoError(t, err)
			require.Less(t, a, p)
			if b != "" {
				require.Less(t, p, b)
			}
			places = slices.Insert(places, i, p)
		}
	})
	_, err := Between("b", "a")
	require.Error(t, err)
	_, err = Between("a", "a")
	require.Error(t, err)
	_, err = Between("a0", "")
	require.Error(t, err, "nothing fits before a lowest digit")
}

// A million appends, or a million inserts at the front, keep places short.
func TestPlacesStayShort(t *testing.T) {
	last, first := "", ""
	for range 200_000 {
		last, _ = Between(last, "")
		if first == "" {
			first = last
		}
		first, _ = Between("", first)
	}
	require.LessOrEqual(t, len(last), 8)
	require.LessOrEqual(t, len(first), 8)
	many := Places(1_000_000)
	require.True(t, slices.IsSorted(many))
	require.Len(t, slices.Compact(many), 1_000_000)
	require.LessOrEqual(t, len(many[999_999]), 6)
}

func rule(place, id string) *Rule { return &Rule{Place: place, ID: id, Effect: authz.Permit} }

func snapshot() *Snapshot {
	action := &Policy{Header: Header{ID: "a1", Place: "m", Combining: FirstApplicable}, Rules: NewList(rule("a", "r1"), rule("b", "r2"))}
	resource := &PolicySet{Header: Header{ID: "res", Place: "m", Combining: FirstApplicable}, Children: NewList[Node](action)}
	pap := &PolicySet{Header: Header{ID: PAPID("default"), Place: "m", PAP: "default", Combining: FirstApplicable}, Children: NewList[Node](resource)}
	return &Snapshot{Revision: authz.Revision{Lineage: "l", Number: 1}, Root: NewRoot(List[*Rule]{}, pap)}
}

func TestApply(t *testing.T) {
	s := snapshot()
	next, err := s.Apply(Update{From: s.Revision, To: authz.Revision{Lineage: "l", Number: 2}, Edits: []Edit{
		PutRule(rule("m", "ban-1"), BansID),
		RemoveItem("a", "r1", PAPID("default"), "res", "a1"),
		PutRule(rule("c", "r1"), PAPID("default"), "res", "a1"),
	}})
	require.NoError(t, err)
	require.Equal(t, uint64(2), next.Revision.Number)
	bans, _ := next.Root.Children.Find(BansID)
	require.Equal(t, 1, bans.(*Policy).Rules.Len())
	require.Equal(t, "r2 r1", ids(next))
	require.Equal(t, "r1 r2", ids(s), "the snapshot before is untouched")
}

func ids(s *Snapshot) string {
	pap, _ := s.Root.Children.Find(PAPID("default"))
	res, _ := pap.(*PolicySet).Children.Find("res")
	act, _ := res.(*PolicySet).Children.Find("a1")
	out := ""
	for r := range act.(*Policy).Rules.All() {
		out += " " + r.ID
	}
	return out[1:]
}

func TestApplyRefuses(t *testing.T) {
	s := snapshot()
	to := authz.Revision{Lineage: "l", Number: 2}
	for name, u := range map[string]Update{
		"another revision": {From: to, To: to},
		"another lineage":  {From: authz.Revision{Lineage: "m", Number: 1}, To: to},
		"unknown policy":   {From: s.Revision, To: to, Edits: []Edit{PutRule(rule("a", "x"), "nowhere")}},
		"rule in a set":    {From: s.Revision, To: to, Edits: []Edit{PutRule(rule("a", "x"), PAPID("default"))}},
		"absent rule":      {From: s.Revision, To: to, Edits: []Edit{RemoveItem("a", "x", BansID)}},
		"other name":       {From: s.Revision, To: to, Edits: []Edit{{Operation: Put, In: []string{BansID}, Place: "a", ID: "y", Rule: rule("a", "x")}}},
		"no operation":     {From: s.Revision, To: to, Edits: []Edit{{In: []string{BansID}}}},
	} {
		_, err := s.Apply(u)
		require.Error(t, err, name)
	}
	var nothing *Snapshot
	_, err := nothing.Apply(Update{To: to})
	require.Error(t, err)
}

func BenchmarkPutAmongAMillion(b *testing.B) {
	rules := make([]*Rule, 1_000_000)
	for i, p := range Places(len(rules)) {
		rules[i] = rule(p, fmt.Sprint(i))
	}
	l := NewList(rules...)
	b.ReportAllocs()
	for b.Loop() {
		l.Put(rule("V", "new"))
	}
}
