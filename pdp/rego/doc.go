// Package rego runs policies written in Rego, the language of the Open Policy
// Agent, inside the decision point: one document is one policy, with its own
// place in the order of policies (DECISIONS 7).
//
// A document of the format "rego/1" is one module in Rego version 1. Its rule
// named decision answers the request:
//
//	package site.queue
//
//	decision := {"effect": "deny", "reason": "the queue is closed"} if {
//		some a in input.Request.Action.Attribute
//		a.AttributeId == "urn:oasis:names:tc:xacml:1.0:action:action-id"
//		"submit-job" in a.Value
//	}
//
// The input is the request in the JSON Profile of XACML 3.0, version 1.1, with
// the short names of categories. Each of AccessSubject, Resource, Action,
// Environment, RecipientSubject and IntermediarySubject is there as one object,
// empty or not; other categories are in Category. Value is always an array, of
// booleans, numbers or, for every other data type, of the texts as presented.
//
// The decision is an object: effect is "permit", "deny" or "not_applicable";
// obligations and advice are arrays of that profile's ObligationOrAdvice; reason
// is what the user may read. Everything but effect may be absent. An undefined
// decision is not applicable. Anything else, an unknown key included, is an
// error, which the engine takes for Indeterminate, as it does an error of a
// built-in function, two different decisions, and a budget used up.
//
// A document has no input but the request and its time: neither network nor
// environment, no data, no randomness, no other document; time.now_ns is the
// time of the request. Which built-in functions there are, functions.go says.
//
// Of attributes that were only presented (DECISIONS 12) a document need not
// know: the engine asks with the verified attributes for a permit, and with all
// of them for a deny.
//
// No text of a request or a document ever becomes part of code: the query is
// built from the parsed package name, and the input is data.
package rego
