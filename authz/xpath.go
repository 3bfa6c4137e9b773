package authz

import (
	"maps"
	"slices"
	"strings"
)

// XPath is the data of an xpathExpression: an expression over the content of
// one category, with the prefixes that were in scope where it was written.
type XPath struct {
	Expression string
	Category   Category
	Namespaces map[string]string
}

// XPathValue returns a value of type xpathExpression (XACML 3.0 core, A.2).
func XPathValue(expression string, c Category, namespaces map[string]string) Value {
	var key strings.Builder
	key.WriteString(string(c) + "\x00" + expression)
	for _, prefix := range slices.Sorted(maps.Keys(namespaces)) {
		key.WriteString("\x00" + prefix + "=" + namespaces[prefix])
	}
	return newValue(kindXPath, expression, key.String(), XPath{Expression: expression, Category: c, Namespaces: namespaces})
}
