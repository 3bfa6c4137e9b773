// Package xml reads and writes XML on the wire, strictly and fast.
//
// A Reader pulls tokens out of a document that is wholly in memory (bodies are bounded and read first). It
// accepts exactly the well-formed, namespace-well-formed documents of XML 1.0 (fifth edition) and Namespaces in
// XML 1.0 that need no document type, and refuses everything else:
//
//   - UTF-8 only (a UTF-8 byte order mark is allowed); every character must be a Char of XML 1.0;
//   - one document: one root element, and nothing after it but white space and comments;
//   - no DOCTYPE, hence no entities but the five predefined ones and character references;
//   - no processing instructions; an XML declaration at the very start is allowed, for version 1.0 and UTF-8;
//   - no two attributes of the same resolved name, no undeclared prefix, no abuse of xml and xmlns;
//   - limits on size, depth, attributes of an element and namespace bindings in scope (see Limits).
//
// Comments are skipped and do not split the text around them; CDATA sections are text; line ends and attribute
// values are normalised as XML 1.0 sections 2.11 and 3.3.3 say.
//
// Reading a document looks like this:
//
//	r := xml.NewReader("policy.xml", data, xml.Limits{})
//	root, err := r.Root(xml.Name{Space: ns, Local: "Policy"})
//	if err != nil {
//		return err
//	}
//	id, err := r.Required(root, "PolicyId")
//	...
//	for child, err := range r.Children() {
//		if err != nil {
//			return err
//		}
//		switch child.Name {
//		case description:
//			text, err = r.Content()
//		default:
//			return r.Unexpected(child)
//		}
//	}
//	return r.Finish()
//
// A decoder that does not call Finish has not checked that the document ends where it should.
//
// Parse builds a read-only tree of Nodes where a decoder must look back and forth; a Writer produces well-formed
// documents. Signatures are not made or checked here: canonical XML needs its own library.
package xml
