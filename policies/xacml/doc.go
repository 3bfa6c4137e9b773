// Package xacml reads XACML 2.0 and 3.0 policy documents into the tree of
// package policies and writes the tree as either. It handles policies only,
// never requests or responses (those are pdp/context).
//
// Reading is strict: an element, an attribute or a literal that the schema of
// its version does not allow is an error with file, line and column, and so is
// anything whose meaning would be lost: a PolicyIssuer (administrative
// delegation, which this engine does not have) is refused by name rather than
// ignored. Combiner parameters are read and dropped, for no standard algorithm
// has any.
//
// A 2.0 document becomes the same tree as its 3.0 equivalent. Its Target has
// one AnyOf for each of Subjects, Resources, Actions and Environments; its
// designators get the categories that replaced their element names; its
// obligations' assignments become literals; its selectors keep their path from
// the Request element (policies.Selector.RequestContext).
package xacml
