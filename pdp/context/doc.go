// Package context reads and writes the contexts of XACML, in which decisions
// are asked for and answered: requests and responses in the XML of 2.0 and of
// 3.0 and in JSON (JSON profile of XACML 3.0, 1.1), both ways.
//
// A request context may hold many questions: categories that stand more than
// once, MultiRequests, a content-selector, several resources (Multiple Decision
// profile 1.0) or a scope over a tree of resources (Hierarchical Resource
// profile 2.0). Request.Questions lists them as [authz.Request]s, each by
// itself, and Request.Decide asks a Decider all of them and puts the answers
// together.
//
//	request, err := context.Read("request", body, context.Options{})
//	if err != nil {
//		return context.Refuse(err).Write(context.ThreeXML)
//	}
//	response, err := request.Decide(ctx, decider)
//	...
//	return response.Write(request.Form)
//
// Attributes and content that come from a wire are authz.Presented: they count
// against whoever they speak of and never for. Options.Verified says which ones
// the sender is trusted to assert.
//
// Reading is strict: what the schema does not allow, a value that its data type
// does not allow, an unknown member and a member that stands twice are errors
// with line and column. Responses of others are read a little less strictly:
// attributes that other engines add are ignored. An Indeterminate is written
// without its extent, always.
package context
