package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// attribute is a compiled designator or selector: where a bag comes from.
type attribute struct {
	slot     int       // of a designator; -1 for a selector
	selector *selector // of a selector
	typ      authz.DataType
	required bool
	missing  *authz.Status // what a required bag that is empty amounts to
}

// bag returns the values that a view sees. An empty bag is an error only where
// the policy says MustBePresent (XACML 3.0 core, 7.3.5).
func (a *attribute) bag(f *frame, v view, inverted bool) ([]authz.Value, *authz.Status) {
	var values []authz.Value
	if a.selector != nil {
		var status *authz.Status
		if values, status = a.selector.bag(f, f.extent(v, inverted)); status != nil {
			return nil, status
		}
	} else {
		values = f.bag(a.slot, f.extent(v, inverted))
	}
	if len(values) == 0 && a.required {
		return nil, a.missing
	}
	return values, nil
}

func missing(d *policies.Designator, values ...authz.Value) *authz.Status {
	return &authz.Status{
		Code:    authz.StatusMissingAttribute,
		Message: fmt.Sprintf("attribute %s of type %s is missing%s", d.ID, d.Type.Name(), at(d.Position)),
		Missing: []authz.MissingAttribute{{Category: d.Category, ID: d.ID, Type: d.Type, Issuer: d.Issuer, Values: values}},
	}
}

func at(p policies.Position) string {
	if p == (policies.Position{}) {
		return ""
	}
	return " (" + p.String() + ")"
}

// failed is what an error of a function amounts to.
func failed(p policies.Position, function string, err error) *authz.Status {
	return &authz.Status{Code: authz.StatusProcessingError, Message: fmt.Sprintf("%s: %s%s", shortName(function), err, at(p))}
}

func processingError(p policies.Position, format string, args ...any) *authz.Status {
	return &authz.Status{Code: authz.StatusProcessingError, Message: fmt.Sprintf(format, args...) + at(p)}
}

// designatorOf returns the designator of a match, if it has one.
func designatorOf(m *match) (*policies.Designator, bool) {
	d, ok := m.from.Attribute.(*policies.Designator)
	return d, ok
}
