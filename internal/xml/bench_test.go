package xml

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// soapQuery is an authorization decision query in SAML over SOAP, of the shape and size that grid clients send.
func soapQuery() []byte {
	const urn = "urn:oasis:names:tc:xacml:1.0:"
	var b strings.Builder
	attr := func(id, kind string, values ...string) {
		fmt.Fprintf(&b, `<xacml:Attribute AttributeId="%s" DataType="%s" Issuer="CN=Test CA,O=Example">`, id, kind)
		for _, v := range values {
			fmt.Fprintf(&b, `<xacml:AttributeValue>%s</xacml:AttributeValue>`, v)
		}
		b.WriteString(`</xacml:Attribute>`)
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">` +
		`<soap:Body><samlp:XACMLAuthzDecisionQuery xmlns:samlp="urn:oasis:names:tc:xacml:2.0:profile:saml2.0:v2:schema:protocol" ` +
		`xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_0123456789abcdef0123456789abcdef" Version="2.0" ` +
		`IssueInstant="2026-01-01T00:00:00Z" InputContextOnly="false" ReturnContext="true">` +
		`<saml:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">http://pep.example.org/entity</saml:Issuer>` +
		`<xacml:Request xmlns:xacml="urn:oasis:names:tc:xacml:2.0:context:schema:os"><xacml:Subject>`)
	attr(urn+"subject:subject-id", urn+"data-type:x500Name", "CN=Alice Example,OU=People,O=Example,C=XX")
	attr("http://example.org/xacml/subject/subject-issuer", urn+"data-type:x500Name", "CN=Example CA,O=Example,C=XX")
	attr("http://example.org/xacml/subject/vo", "http://www.w3.org/2001/XMLSchema#string", "vo.example.org")
	attr("http://example.org/xacml/subject/primary-fqan", "http://example.org/xacml/datatype/fqan", "/vo.example.org/production/Role=pilot")
	attr("http://example.org/xacml/subject/fqan", "http://example.org/xacml/datatype/fqan",
		"/vo.example.org/production/Role=pilot", "/vo.example.org/production", "/vo.example.org/analysis", "/vo.example.org")
	b.WriteString(`</xacml:Subject><xacml:Resource>`)
	attr(urn+"resource:resource-id", "http://www.w3.org/2001/XMLSchema#string", "http://ce.example.org/cream")
	b.WriteString(`</xacml:Resource><xacml:Action>`)
	attr(urn+"action:action-id", "http://www.w3.org/2001/XMLSchema#string", "http://example.org/xacml/action/ce/job/submit")
	b.WriteString(`</xacml:Action><xacml:Environment>`)
	attr("http://example.org/xacml/attribute/profile-id", "http://www.w3.org/2001/XMLSchema#anyURI", "http://example.org/xacml/profile/grid-ce/1.0")
	b.WriteString(`</xacml:Environment></xacml:Request></samlp:XACMLAuthzDecisionQuery></soap:Body></soap:Envelope>`)
	return []byte(b.String())
}

func drain(r *Reader) (n int, err error) {
	for {
		t, err := r.Next()
		if err != nil || t.Kind == EOF {
			return n, err
		}
		n++
	}
}

func TestReaderAllocatesLittle(t *testing.T) {
	data := soapQuery()
	t.Logf("document of %d bytes", len(data))
	fresh := testing.AllocsPerRun(100, func() {
		_, err := drain(NewReader("q", data, Limits{}))
		require.NoError(t, err)
	})
	require.LessOrEqual(t, fresh, 10.0)
	r := new(Reader)
	reused := testing.AllocsPerRun(100, func() {
		r.Reset("q", data, Limits{})
		_, err := drain(r)
		require.NoError(t, err)
	})
	require.LessOrEqual(t, reused, 4.0)
}

func BenchmarkReader(b *testing.B) {
	data := soapQuery()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := drain(NewReader("q", data, Limits{})); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReaderReset(b *testing.B) {
	data := soapQuery()
	r := new(Reader)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset("q", data, Limits{})
		if _, err := drain(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data := soapQuery()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("q", data, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodingXML(b *testing.B) {
	data := soapQuery()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d := stdxml.NewDecoder(bytes.NewReader(data))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
