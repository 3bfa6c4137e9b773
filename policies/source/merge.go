package source

import (
	"reflect"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Name is what tells the record of an edit from all others.
func Name(e change.Edit) string {
	switch {
	case e.PAP != nil:
		return "pap/" + e.PAP.Alias
	case e.Unit != nil:
		return "unit/" + e.Unit.PAP + "/" + e.Unit.ID
	case e.Ban != nil:
		return "ban/" + e.Ban.PAP + "/" + e.Ban.ID
	case e.Row != nil:
		return "row/" + e.Row.Name
	case e.Person != nil:
		return "person/" + e.Person.ID
	}
	return ""
}

// Merge joins differences that follow on each other into one for each record, in the
// order in which the records first occur, and drops those that come to nothing.
func Merge(differences []change.Difference) []change.Difference {
	at := map[string]int{}
	var merged []change.Difference
	for _, d := range differences {
		e := d.Is
		if e == nil {
			e = d.Was
		}
		if e == nil {
			continue
		}
		name := Name(*e)
		if i, ok := at[name]; ok {
			merged[i].Is = d.Is
			continue
		}
		at[name] = len(merged)
		merged = append(merged, d)
	}
	kept := merged[:0]
	for _, d := range merged {
		if (d.Was != nil || d.Is != nil) && !reflect.DeepEqual(d.Was, d.Is) {
			kept = append(kept, d)
		}
	}
	return kept
}
