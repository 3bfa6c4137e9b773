package context

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
)

// nodesWithin lists the nodes of the content in a scope, parents before their
// children, as expressions that select exactly them. Attributes and texts belong to their
// element, unless the expression asks for them by itself.
func (r *Request) nodesWithin(g group, path authz.XPath, scope string) ([]authz.Value, error) {
	root, err := xml.Parse("content", g.content.XML, r.options.limits())
	if err != nil {
		return nil, err
	}
	nodes, prefix, err := selectIn(root, path, g.category)
	switch {
	case err != nil:
		return nil, err
	case len(nodes) == 0:
		return nil, fmt.Errorf("the resource-id %s selects nothing", quote(path.Expression))
	case scope != xpathExpression && len(nodes) > 1:
		return nil, fmt.Errorf("scope %s: the resource-id %s selects %d nodes where one is needed", scope, quote(path.Expression), len(nodes))
	case scope == children:
		nodes = append(nodes, nodes[0].Elements()...)
	case scope != xpathExpression:
		for next := 0; next < len(nodes) && len(nodes) <= r.options.MostQuestions; next++ {
			nodes = append(nodes, nodes[next].Elements()...)
		}
	}
	if len(nodes) > r.options.MostQuestions {
		return nil, r.tooMany()
	}
	values := make([]authz.Value, len(nodes))
	for i, n := range nodes {
		values[i] = authz.XPathValue(prefix+n.Path(), path.Category, nil)
	}
	return values, nil
}

// inTwo selects the content from the root of a request context of 2.0,
// whatever subjects it has.
const inTwo = "/*/*[local-name()='Resource']/*[local-name()='ResourceContent']"

// selectIn evaluates an expression over a content. In 3.0 it starts at the
// content; in 2.0, where it has no category, at the Request that the content
// stands in (XACML 2.0 core, 6.1), and prefix leads from there to the content.
func selectIn(content *xml.Node, path authz.XPath, c authz.Category) (nodes []xpath.Node, prefix string, err error) {
	compiled, err := xpath.Compile(path.Expression, path.Namespaces)
	if err != nil {
		return nil, "", err
	}
	if path.Category != "" {
		if path.Category != c {
			return nil, "", fmt.Errorf("the resource-id is about the content of another category, %s", path.Category)
		}
		nodes, err = compiled.Select(xpath.Document(content))
		return nodes, "", err
	}
	found, err := compiled.Select(xpath.Element(requestAround(content)))
	if err != nil {
		return nil, "", err
	}
	for _, n := range found {
		inner, ok := n.In(content)
		if !ok {
			return nil, "", fmt.Errorf("the resource-id %s selects what is not in the resource's content", quote(path.Expression))
		}
		nodes = append(nodes, inner)
	}
	return nodes, inTwo, nil
}

// requestAround hangs a content where it stands in a request of 2.0.
func requestAround(content *xml.Node) *xml.Node {
	hang := func(below, n *xml.Node) *xml.Node {
		n.Parent, n.Prev = below, below.Last
		if below.Last == nil {
			below.First = n
		} else {
			below.Last.Next = n
		}
		below.Last = n
		return n
	}
	element := func(name string) *xml.Node {
		return &xml.Node{Kind: xml.Start, Name: xml.Name{Space: TwoNamespace, Local: name}}
	}
	request := element("Request")
	hang(request, element("Subject"))
	resource := hang(request, element("Resource"))
	hang(hang(resource, element("ResourceContent")), content)
	hang(request, element("Action"))
	hang(request, element("Environment"))
	return request
}
