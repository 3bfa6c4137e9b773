package rego

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
)

// What one decision may hold.
const (
	maxDuties      = 64
	maxAssignments = 256
	maxReason      = 2048
)

var effects = map[string]authz.Decision{
	"permit": authz.Permit, "deny": authz.Deny, "not_applicable": authz.NotApplicable,
}

// opinionOf reads a decision. What does not have the form is an error.
func opinionOf(v any) (pdp.Opinion, error) {
	o, err := object("decision", v, "effect", "obligations", "advice", "reason")
	if err != nil {
		return pdp.Opinion{}, err
	}
	name, _ := o["effect"].(string)
	decision, ok := effects[name]
	if !ok {
		return pdp.Opinion{}, fmt.Errorf(`decision.effect: want "permit", "deny" or "not_applicable", not %s`, shown(o["effect"]))
	}
	reason, err := optional("decision.reason", o["reason"])
	if err != nil {
		return pdp.Opinion{}, err
	}
	if len(reason) > maxReason {
		return pdp.Opinion{}, fmt.Errorf("decision.reason has %d bytes; %d are the most", len(reason), maxReason)
	}
	obligations, err := duties("decision.obligations", o["obligations"])
	if err != nil {
		return pdp.Opinion{}, err
	}
	advice, err := duties("decision.advice", o["advice"])
	if err != nil {
		return pdp.Opinion{}, err
	}
	if decision == authz.NotApplicable && len(obligations) > 0 {
		return pdp.Opinion{}, fmt.Errorf("decision: what is not applicable has no obligations")
	}
	return pdp.Opinion{Decision: decision, Obligations: obligations, Advice: advice, Because: reason}, nil
}

func duties(where string, v any) ([]authz.Obligation, error) {
	list, err := array(where, v, maxDuties)
	if err != nil {
		return nil, err
	}
	var all []authz.Obligation
	for i, item := range list {
		where := fmt.Sprintf("%s[%d]", where, i)
		o, err := object(where, item, "Id", "AttributeAssignment")
		if err != nil {
			return nil, err
		}
		id, err := required(where+".Id", o["Id"])
		if err != nil {
			return nil, err
		}
		assignments, err := assignments(where+".AttributeAssignment", o["AttributeAssignment"])
		if err != nil {
			return nil, err
		}
		all = append(all, authz.Obligation{ID: id, Assignments: assignments})
	}
	return all, nil
}

func assignments(where string, v any) ([]authz.Assignment, error) {
	list, err := array(where, v, maxAssignments)
	if err != nil {
		return nil, err
	}
	var all []authz.Assignment
	for i, item := range list {
		a, err := assignment(fmt.Sprintf("%s[%d]", where, i), item)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func assignment(where string, v any) (a authz.Assignment, err error) {
	o, err := object(where, v, "AttributeId", "Category", "Issuer", "DataType", "Value")
	if err != nil {
		return a, err
	}
	if a.ID, err = required(where+".AttributeId", o["AttributeId"]); err != nil {
		return a, err
	}
	category, err := optional(where+".Category", o["Category"])
	if err != nil {
		return a, err
	}
	a.Category = authz.Category(category)
	for c, name := range shortNames {
		if name == category {
			a.Category = c
		}
	}
	if a.Issuer, err = optional(where+".Issuer", o["Issuer"]); err != nil {
		return a, err
	}
	dataType, err := optional(where+".DataType", o["DataType"])
	if err != nil {
		return a, err
	}
	if a.Value, err = typed(dataType, o["Value"]); err != nil {
		return a, fmt.Errorf("%s.Value: %w", where, err)
	}
	return a, nil
}

// typed reads a value; without a data type the JSON profile infers one (section
// 3.3.1).
func typed(dataType string, v any) (authz.Value, error) {
	var text, inferred string
	switch v := v.(type) {
	case string:
		text, inferred = v, string(authz.String)
	case bool:
		text, inferred = fmt.Sprint(v), string(authz.Boolean)
	case json.Number:
		text, inferred = v.String(), string(authz.Integer)
		if strings.ContainsAny(text, ".eE") {
			inferred = string(authz.Double)
		}
	default:
		return authz.Value{}, fmt.Errorf("want a string, a number or a boolean, not %s", shown(v))
	}
	if dataType == "" {
		dataType = inferred
	}
	t := authz.DataType(dataType)
	if !strings.Contains(dataType, ":") {
		t = authz.DataType("http://www.w3.org/2001/XMLSchema#" + dataType)
	}
	if !t.Known() {
		return authz.Value{}, fmt.Errorf("no data type %s", shown(dataType))
	}
	return authz.ParseValue(t, text)
}

func object(where string, v any, keys ...string) (map[string]any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: want an object, not %s", where, shown(v))
	}
	known := 0
	for _, k := range keys {
		if _, ok := o[k]; ok {
			known++
		}
	}
	if known != len(o) {
		return nil, fmt.Errorf("%s: want no other keys than %s, not %s", where, strings.Join(keys, ", "), shown(v))
	}
	return o, nil
}

func array(where string, v any, most int) ([]any, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: want an array, not %s", where, shown(v))
	}
	if len(list) > most {
		return nil, fmt.Errorf("%s has %d entries; %d are the most", where, len(list), most)
	}
	return list, nil
}

func optional(where string, v any) (string, error) {
	if v == nil {
		return "", nil
	}
	return required(where, v)
}

func required(where string, v any) (string, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return "", fmt.Errorf("%s: want a string that is not empty, not %s", where, shown(v))
	}
	return s, nil
}

// shown renders a value for an error, briefly.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	if len(b) > 100 {
		return strings.ToValidUTF8(string(b[:100]), "") + "…"
	}
	return string(b)
}
