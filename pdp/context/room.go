package context

import "github.com/gatehouse-authz/gatehouse/authz"

// room is where the attributes and values of one request are laid out, side by
// side: each taker gets a slice cut to its length, which moves when it grows.
type room struct {
	attrs  []authz.Attribute
	values []authz.Value
}

func newRoom() room {
	const usual = 8 // of either in a request
	return room{make([]authz.Attribute, 0, usual), make([]authz.Value, 0, usual)}
}

// takeAttributes returns what was appended since there were first attributes.
func (r *room) takeAttributes(first int) []authz.Attribute { return take(r.attrs, first) }

// takeValues returns what was appended since there were first values.
func (r *room) takeValues(first int) []authz.Value { return take(r.values, first) }

func take[T any](all []T, first int) []T {
	n := len(all)
	if n == first {
		return nil
	}
	return all[first:n:n]
}
