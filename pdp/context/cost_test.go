package context_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
)

// A quarter of the largest document, made in ways so that something in it is looked at
// once for each other thing if the reader is careless. All are answered or
// refused in no time and little memory.
func TestCostOfTheLargestDocuments(t *testing.T) {
	const size = 1 << 18
	fill := func(before string, item func(i int) string, after string) string {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < size; i++ {
			b.WriteString(item(i))
		}
		return b.String() + after
	}
	small := attribute("a", "1")
	for name, document := range map[string]string{
		"json attributes": fill(`{"Request":{"AccessSubject":{"Attribute":[{"AttributeId":"a","Value":1}`, func(int) string { return `,{"AttributeId":"a","Value":1}` }, `]}}}`),
		"json categories": fill(`{"Request":{"Category":[{"CategoryId":"c"}`, func(i int) string { return fmt.Sprintf(`,{"CategoryId":"c%d"}`, i) }, `]}}`),
		"json values":     fill(`{"Request":{"AccessSubject":{"Attribute":[{"AttributeId":"a","Value":[1`, func(int) string { return `,1` }, `]}]}}}`),
		"json members":    fill(`{"Request":{"XPathVersion":"1"`, func(i int) string { return fmt.Sprintf(`,"m%d":1`, i) }, `}}`),
		"json references": fill(`{"Request":{"Category":{"CategoryId":"c","Id":"x"},"MultiRequests":{"RequestReference":[{"ReferenceId":"x"}`, func(int) string { return `,{"ReferenceId":"x"}` }, `]}}}`),
		"one reference": `{"Request":{"Category":[{"CategoryId":"c","Id":"i"}` + times(4000, `,{"CategoryId":"c%d","Id":"i%[1]d"}`) +
			`],"MultiRequests":{"RequestReference":[{"ReferenceId":["i"` + times(4000, `,"i%d"`) + `]}]}}}`,
		"xml attributes": fill(three("")[:len(three(""))-len("</Request>")]+`<Attributes Category="c">`, func(int) string { return small }, `</Attributes></Request>`),
		"xml categories": fill(three("")[:len(three(""))-len("</Request>")], func(i int) string { return fmt.Sprintf(`<Attributes Category="c%d"/>`, i) }, `</Request>`),
		"subjects":       fill(`<Request xmlns="`+context.TwoNamespace+`">`, func(i int) string { return fmt.Sprintf(`<Subject SubjectCategory="c%d"/>`, i) }, `<Resource/><Action/></Request>`),
		"much in many":   fill(three("")[:len(three(""))-len("</Request>")]+strings.Repeat(category("c", ""), 900)+`<Attributes Category="d">`, func(int) string { return small }, `</Attributes></Request>`),
		"selectors": fill(three("")[:len(three(""))-len("</Request>")]+`<Attributes Category="c"><Content><a>`, func(int) string { return "<b/>" },
			`</a></Content><Attribute AttributeId="urn:oasis:names:tc:xacml:3.0:profile:multiple:content-selector" IncludeInResult="false"><AttributeValue DataType="`+string(authz.XPathExpression)+`" XPathCategory="c">//*</AttributeValue></Attribute></Attributes></Request>`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		r, err := context.Read(name, []byte(document), trusting())
		if err == nil {
			var response context.Response
			response, err = r.Decide(t.Context(), always(authz.Response{}))
			_, _ = response.Write(context.ThreeXML)
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		t.Logf("%-16s %8s %4d MiB allocated: %v", name, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		require.Less(t, took, 5*time.Second, name)
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(64), name)
	}
}

func times(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
