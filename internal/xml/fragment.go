package xml

// Fragment is one element of a document, checked for well-formedness, as it was written, with the namespace
// bindings that hold around it.
type Fragment struct {
	Name     Name
	Bindings []Binding // in scope around the element, each prefix once; its own declarations are not among them
	src      *source
	traits   traits
	start    int
	end      int
	tag      string
	own      []Binding
}

// Raw reads the element whose start tag was read last to its end and gives it as it stands.
func (r *Reader) Raw() (Fragment, error) {
	if err := r.atStart("Raw"); err != nil {
		return Fragment{}, err
	}
	top := r.frames[len(r.frames)-1]
	f := Fragment{
		Name: top.name, Bindings: inScope(r.bindings[:top.scope]), own: append([]Binding(nil), r.bindings[top.scope:]...),
		src: r.src, traits: r.traits, start: top.offset, tag: top.tag,
	}
	if err := r.Skip(); err != nil {
		return Fragment{}, err
	}
	f.end = r.pos
	return f, nil
}

// inScope gives the innermost binding of each prefix.
func inScope(bindings []Binding) []Binding {
	var scope []Binding
	for i := len(bindings) - 1; i >= 0; i-- {
		if _, hidden := find(scope, bindings[i].Prefix); !hidden {
			scope = append(scope, bindings[i])
		}
	}
	return scope
}

func find(bindings []Binding, prefix string) (string, bool) {
	for _, b := range bindings {
		if b.Prefix == prefix {
			return b.Space, true
		}
	}
	return "", false
}

// String is the element exactly as written; it may use prefixes that are declared around it.
func (f Fragment) String() string {
	if f.src == nil {
		return ""
	}
	return f.src.text[f.start:f.end]
}

// Standalone is the element as a document of its own: the declarations in scope around it are put into its start
// tag, and nothing else is changed.
func (f Fragment) Standalone() string { return f.within(nil) }

// within is the element with the declarations that it needs where those of around hold already.
func (f Fragment) within(around []Binding) string {
	if f.src == nil {
		return ""
	}
	cut := f.start + 1 + len(f.tag)
	buf := append([]byte(nil), f.src.text[f.start:cut]...)
	for _, b := range f.declarations(around) {
		buf = append(buf, " xmlns"...)
		if b.Prefix != "" {
			buf = append(append(buf, ':'), b.Prefix...)
		}
		buf = append(buf, `="`...)
		buf = append(appendEscaped(buf, b.Space, true), '"')
	}
	return string(append(buf, f.src.text[cut:f.end]...))
}

// declarations are the bindings of the fragment that differ from those around and that it does not make itself.
func (f Fragment) declarations(around []Binding) []Binding {
	wanted := f.Bindings
	if _, ok := find(wanted, ""); !ok {
		wanted = append(wanted[:len(wanted):len(wanted)], Binding{})
	}
	var missing []Binding
	for _, b := range wanted {
		_, own := find(f.own, b.Prefix)
		space, bound := lookup(around, b.Prefix)
		if !own && !(bound && space == b.Space) {
			missing = append(missing, b)
		}
	}
	return missing
}

// Reader reads the element again as if it were a document of its own, with the bindings around it in scope.
// Positions are those in the whole document. Depth counts from the element, Size is of no concern.
func (f Fragment) Reader(limits Limits) *Reader {
	r := &Reader{src: f.src, limits: limits.orDefault(), traits: f.traits, pos: f.start, end: f.end}
	if f.src == nil {
		r.src = &source{}
	}
	r.text = r.src.text
	for i := len(f.Bindings) - 1; i >= 0; i-- {
		r.bindings = append(r.bindings, f.Bindings[i])
	}
	return r
}
