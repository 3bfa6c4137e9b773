package xml

// Limits bound what a document may cost. A zero field means its default.
type Limits struct {
	Size       int // bytes of the document; default 4 MiB
	Depth      int // nested elements; default 64
	Attributes int // attributes and namespace declarations of one element; default 256
	Bindings   int // namespace bindings in scope at once; default 256
	Nodes      int // elements, texts and attributes of a tree (Parse, Reader.Node); default 262144
}

func (l Limits) orDefault() Limits {
	pick := func(n *int, standard int) {
		if *n <= 0 {
			*n = standard
		}
	}
	pick(&l.Size, 4<<20)
	pick(&l.Depth, 64)
	pick(&l.Attributes, 256)
	pick(&l.Bindings, 256)
	pick(&l.Nodes, 1<<18)
	return l
}
