// Package xpath selects nodes of a document by an XPath 1.0 expression: what
// policies and requests need to look into the content that a request carries.
//
// The language is XPath 1.0 without variables, without the namespace axis and
// without the few things that the library underneath (github.com/antchfx/xpath)
// answers otherwise than the recommendation says: name(), prefix:* and the
// position of an attribute. These are errors, as are the functions of 2.0.
// Comments and processing instructions are not in the trees of package
// internal/xml, so no expression finds any.
//
// An expression may come from whoever sends a request, so an evaluation has a
// budget of steps and ends in an error when that is spent; no expression can
// make it panic.
package xpath
