package job

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Attribute is an authz.Attribute in a form that can be kept. Values of several
// types stand in several Attributes.
type Attribute struct {
	Category authz.Category `json:"category"`
	ID       string         `json:"id"`
	Issuer   string         `json:"issuer,omitempty"`
	Verified bool           `json:"verified,omitempty"`
	Type     authz.DataType `json:"type"`
	Texts    []string       `json:"texts"`
}

// Freeze returns the attributes of a request in a form that can be kept.
func Freeze(attributes []authz.Attribute) []Attribute {
	var frozen []Attribute
	for _, a := range attributes {
		start := len(frozen)
		for _, v := range a.Values {
			if last := len(frozen) - 1; last >= start && frozen[last].Type == v.Type() {
				frozen[last].Texts = append(frozen[last].Texts, v.Text())
				continue
			}
			frozen = append(frozen, Attribute{
				Category: a.Category, ID: a.ID, Issuer: a.Issuer, Verified: a.Standing == authz.Verified,
				Type: v.Type(), Texts: []string{v.Text()},
			})
		}
	}
	return frozen
}

// Thaw returns the attributes that Freeze kept.
func Thaw(frozen []Attribute) ([]authz.Attribute, error) {
	attributes := make([]authz.Attribute, 0, len(frozen))
	for _, f := range frozen {
		a := authz.Attribute{Category: f.Category, ID: f.ID, Issuer: f.Issuer}
		if f.Verified {
			a.Standing = authz.Verified
		}
		for _, text := range f.Texts {
			v, err := authz.ParseValue(f.Type, text)
			if err != nil {
				return nil, fmt.Errorf("kept attribute %s: %w", f.ID, err)
			}
			a.Values = append(a.Values, v)
		}
		attributes = append(attributes, a)
	}
	return attributes, nil
}
