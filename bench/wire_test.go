package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
)

// wires are the forms in which a request context is asked and answered.
var wires = []struct {
	name string
	form context.Form
}{{"xml3", context.ThreeXML}, {"xml2", context.TwoXML}, {"json", context.JSON}}

// trusting takes every attribute as asserted by who may assert it.
var trusting = context.Options{Verified: func(authz.Category, string) bool { return true }}

// documents writes each question as a request context.
func documents(tb testing.TB, form context.Form, questions []Question) [][]byte {
	texts := make([][]byte, len(questions))
	for i := range questions {
		var err error
		texts[i], err = context.WriteRequest(form, questions[i].Request)
		require.NoError(tb, err)
	}
	return texts
}

// answer is what a server does with a body, but for the server.
func answer(tb testing.TB, e *pdp.Engine, body []byte) []byte {
	r, err := context.Read("request", body, trusting)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := r.Decide(tb.Context(), e)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := response.Write(r.Form)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func TestWires(t *testing.T) {
	e, _ := engine(t, 2000)
	questions, err := Questions(2000, 200)
	require.NoError(t, err)
	for _, w := range wires {
		for i, body := range documents(t, w.form, questions) {
			text := answer(t, e, body)
			response, err := context.ReadResponse("response", text)
			require.NoError(t, err)
			got, err := response.One()
			require.NoError(t, err)
			require.Equal(t, questions[i].Want, got.Decision, "%s: %s", w.name, body)
			if got.Decision == authz.Permit {
				require.Len(t, got.Obligations, 2)
			}
		}
	}
}

// BenchmarkWire reads a request context, decides it among 10,000 bans and
// 1,000 permits, and writes the response with its obligations: 4,096 requests,
// no server, no envelope, no signature.
func BenchmarkWire(b *testing.B) {
	e, _ := engine(b, 10_000)
	questions, err := Questions(10_000, 4096)
	require.NoError(b, err)
	for _, w := range wires {
		bodies := documents(b, w.form, questions)
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			report := spent(b)
			for i := 0; b.Loop(); i++ {
				answer(b, e, bodies[i%len(bodies)])
			}
			report()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(float64(len(bodies[0])), "request-B")
		})
	}
}
