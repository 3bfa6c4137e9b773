package wire

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// Attributes writes attributes for the wire.
func Attributes(attributes []authz.Attribute) []*v1.Attribute {
	out := make([]*v1.Attribute, 0, len(attributes))
	for i := range attributes {
		a := &attributes[i]
		values := make([]*v1.Value, 0, len(a.Values))
		for _, v := range a.Values {
			values = append(values, &v1.Value{Type: string(v.Type()), Text: v.Text()})
		}
		standing := v1.Standing_STANDING_PRESENTED
		if a.Standing == authz.Verified {
			standing = v1.Standing_STANDING_VERIFIED
		}
		out = append(out, &v1.Attribute{
			Category: string(a.Category), Id: a.ID, Issuer: a.Issuer, Standing: standing, Values: values,
		})
	}
	return out
}

// Parse reads attributes from the wire, every value anew from its text. It
// checks nothing else: the host does, see plugins.
func Parse(attributes []*v1.Attribute) ([]authz.Attribute, error) {
	out := make([]authz.Attribute, 0, len(attributes))
	for _, a := range attributes {
		values := make([]authz.Value, 0, len(a.GetValues()))
		for _, v := range a.GetValues() {
			value, err := authz.ParseValue(authz.DataType(v.GetType()), v.GetText())
			if err != nil {
				return nil, fmt.Errorf("attribute %q: %w", a.GetId(), err)
			}
			values = append(values, value)
		}
		standing := authz.Presented
		if a.GetStanding() == v1.Standing_STANDING_VERIFIED {
			standing = authz.Verified
		}
		out = append(out, authz.Attribute{
			Category: authz.Category(a.GetCategory()), ID: a.GetId(), Issuer: a.GetIssuer(), Standing: standing, Values: values,
		})
	}
	return out, nil
}
