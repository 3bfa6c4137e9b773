package conf

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

var (
	pathType   = reflect.TypeFor[Path]()
	secretType = reflect.TypeFor[Secret]()
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
	yamlType   = reflect.TypeFor[yaml.Unmarshaler]()
)

// value sets v from n; what names it in errors.
func (d *decoder) value(n *yaml.Node, v reflect.Value, what string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.at(n, "anchors and aliases are not allowed here: write the value out")
		return
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.at(n, "%s has no value: give one, or remove the key to take the default", what)
		return
	case v.Kind() == reflect.Pointer && !reads(v.Type()):
		to := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			to.Elem().Set(v.Elem())
		}
		v.Set(to)
		d.value(n, to.Elem(), what)
		return
	}
	before := len(d.errs)
	d.kind(n, v, what)
	if len(d.errs) == before && what != wholeFile {
		d.check(n, v, what)
	}
}

// wholeFile names the root, whose own check runs last of all, on a whole that
// is otherwise sound.
const wholeFile = "the file"

// reads says that the type reads its own text.
func reads(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(textType) || p.Implements(yamlType)
}

func (d *decoder) kind(n *yaml.Node, v reflect.Value, what string) {
	switch {
	case reads(v.Type()):
		d.leaf(n, v, what)
	case v.Kind() == reflect.Struct:
		d.fields(n, v, what)
	case v.Kind() == reflect.Slice:
		d.list(n, v, what)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, what)
	default:
		d.leaf(n, v, what)
	}
}

// leaf lets yaml.v3 read one scalar, or a type read itself.
func (d *decoder) leaf(n *yaml.Node, v reflect.Value, what string) {
	if n.Kind != yaml.ScalarNode && !reflect.PointerTo(v.Type()).Implements(yamlType) {
		d.at(n, "%s is %s: want %s", what, nounOf(n), wanted(v.Type()))
		return
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			d.at(n, "%s: %v", what, err)
		}
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		if n.Kind == yaml.ScalarNode {
			d.at(n, "%s is %q: want %s", what, n.Value, wanted(v.Type()))
			return
		}
		d.at(n, "%s: %v", what, err)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, what string) {
	if n.Kind != yaml.SequenceNode {
		d.at(n, "%s is %s: want a list, as in [a, b]", what, nounOf(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), "an item of "+what)
	}
	v.Set(out)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, what string) {
	out := reflect.MakeMap(v.Type())
	d.pairs(n, what, func(key, val *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(val, item, key.Value)
		out.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
	v.Set(out)
}

func (d *decoder) fields(n *yaml.Node, v reflect.Value, what string) {
	known := map[string]reflect.Value{}
	collect(v, known)
	d.pairs(n, what, func(key, val *yaml.Node) {
		if field, ok := known[key.Value]; ok {
			d.value(val, field, key.Value)
			return
		}
		d.unknown(key, known)
	})
}

// pairs calls do for every key of a mapping, and refuses one that stands twice.
func (d *decoder) pairs(n *yaml.Node, what string, do func(key, val *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.at(n, "%s is %s: want keys with values, as in key: value", what, nounOf(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		line, twice := first[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge":
			d.at(key, "a key must be a plain word")
		case twice:
			d.at(key, "%q stands here for the second time: it was set in line %d", key.Value, line)
		default:
			first[key.Value] = key.Line
			do(key, val)
		}
	}
}

func (d *decoder) unknown(key *yaml.Node, known map[string]reflect.Value) {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := nearest(key.Value, names); near != "" {
		d.at(key, "unknown key %q: did you mean %q?", key.Value, near)
		return
	}
	d.at(key, "unknown key %q: known here are %s", key.Value, strings.Join(names, ", "))
}

// collect lists the keys of a struct, those of embedded structs included.
func collect(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Type.Kind() == reflect.Struct && (options == "inline" || f.Anonymous && name == ""):
			collect(v.Field(i), into)
		case name == "":
			into[hyphened(f.Name)] = v.Field(i)
		default:
			into[name] = v.Field(i)
		}
	}
}

// hyphened spells MaxStale as max-stale and PAPURL as papurl.
func hyphened(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('-')
		}
		lower = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func nounOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a group of keys"
	}
	return "a single value"
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a text"
}
