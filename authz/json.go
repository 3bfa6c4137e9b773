package authz

import (
	"encoding/json"
	"fmt"
)

// The JSON forms here are for people's tools (explanations, "-o json"); wires
// and stores have their own.

type valueJSON struct {
	Type DataType `json:"type"`
	Text string   `json:"text"`
}

// MarshalJSON writes type and text.
func (v Value) MarshalJSON() ([]byte, error) {
	return json.Marshal(valueJSON{v.Type(), v.Text()})
}

// UnmarshalJSON reads what MarshalJSON wrote, checking the text again.
func (v *Value) UnmarshalJSON(data []byte) error {
	var j valueJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if j.Type == "" {
		*v = Value{}
		return nil
	}
	parsed, err := ParseValue(j.Type, j.Text)
	if err == nil {
		*v = parsed
	}
	return err
}

// MarshalText writes XACML's spelling.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads XACML's spelling; anything else is an error.
func (d *Decision) UnmarshalText(text []byte) error {
	for _, one := range []Decision{Indeterminate, Permit, Deny, NotApplicable} {
		if one.String() == string(text) {
			*d = one
			return nil
		}
	}
	return fmt.Errorf("not a decision: %q", clip(string(text)))
}

// MarshalText writes "", "P", "D" or "DP".
func (e Extent) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (e *Extent) UnmarshalText(text []byte) error {
	for one := ExtentNone; one <= ExtentDenyPermit; one++ {
		if one.String() == string(text) {
			*e = one
			return nil
		}
	}
	return fmt.Errorf("not an extent: %q", clip(string(text)))
}
