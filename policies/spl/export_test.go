package spl

// Shape renders what a text says without where it says it: its tokens and its
// comments, so that two texts may be compared.
func (f *File) Shape() []string {
	var shape []string
	for _, t := range f.tokens {
		for _, c := range t.comments {
			shape = append(shape, c.text)
		}
		shape = append(shape, t.text)
	}
	return shape
}
