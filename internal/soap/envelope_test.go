package soap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

const open = `<s:Envelope xmlns:s="` + Namespace + `" xmlns:x="urn:x">`

// readOne reads an envelope and gives the names of the children of its Body.
func readOne(doc string, o Options) (names []string, err error) {
	err = Read("request", []byte(doc), o, func(_ *xml.Reader, start xml.Token) error {
		names = append(names, start.Name.String())
		return nil
	})
	return names, err
}

func TestRead(t *testing.T) {
	for name, doc := range map[string]string{
		"plain":            open + "<s:Body><x:ping/></s:Body></s:Envelope>",
		"declaration":      `<?xml version="1.0" encoding="utf-8"?>` + "\n" + open + "\n<s:Body>\n<x:ping> text <a/></x:ping>\n</s:Body>\n</s:Envelope>\n",
		"default prefix":   `<Envelope xmlns="` + Namespace + `"><Header/><Body><ping xmlns="urn:x"/></Body></Envelope>`,
		"optional header":  open + "<s:Header><x:h s:mustUnderstand='0'>t</x:h><x:h/></s:Header><s:Body><x:ping/></s:Body></s:Envelope>",
		"header elsewhere": open + "<s:Header><x:h s:mustUnderstand='1' s:actor='urn:another'/></s:Header><s:Body><x:ping/></s:Body></s:Envelope>",
		"attributes":       open + "<s:Body s:encodingStyle='u' id='1'><x:ping/></s:Body></s:Envelope>",
	} {
		t.Run(name, func(t *testing.T) {
			names, err := readOne(doc, Options{})
			require.NoError(t, err)
			require.Equal(t, []string{"{urn:x}ping"}, names)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	body := "<s:Body><x:ping/></s:Body>"
	for name, c := range map[string]struct {
		doc  string
		code xml.Name
		want string
	}{
		"nothing":            {"", CodeClient, "request:1:1: no element"},
		"not xml":            {"hello", CodeClient, "request:1:1: text before"},
		"other root":         {"<ping/>", CodeClient, "<ping> is not a SOAP envelope"},
		"no namespace":       {"<Envelope><Body/></Envelope>", CodeClient, "not a SOAP envelope"},
		"soap 1.2":           {`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body/></e:Envelope>`, CodeVersionMismatch, "only SOAP 1.1"},
		"no body":            {open + "<s:Header/></s:Envelope>", CodeClient, "no Body"},
		"empty body":         {open + "<s:Body> </s:Body></s:Envelope>", CodeClient, "Body is empty"},
		"two children":       {open + "<s:Body><x:a/><x:b/></s:Body></s:Envelope>", CodeClient, "<{urn:x}b> is too many"},
		"two bodies":         {open + body + body + "</s:Envelope>", CodeClient, "unexpected element"},
		"two headers":        {open + "<s:Header/><s:Header/>" + body + "</s:Envelope>", CodeClient, "unexpected element"},
		"header after body":  {open + body + "<s:Header/></s:Envelope>", CodeClient, "unexpected element"},
		"trailer":            {open + body + "<x:t/></s:Envelope>", CodeClient, "unexpected element"},
		"stranger first":     {open + "<x:t/>" + body + "</s:Envelope>", CodeClient, "unexpected element"},
		"text in body":       {open + "<s:Body>x<x:ping/></s:Body></s:Envelope>", CodeClient, "unexpected text"},
		"text in envelope":   {open + body + "x</s:Envelope>", CodeClient, "unexpected text"},
		"second envelope":    {open + body + "</s:Envelope>" + open + body + "</s:Envelope>", CodeClient, "second root"},
		"cut off":            {open + body, CodeClient, "ends inside"},
		"broken behind":      {open + "<s:Body><x:ping/></s:Body></s:Envelop>", CodeClient, "does not match"},
		"doctype":            {"<!DOCTYPE a>" + open + body + "</s:Envelope>", CodeClient, "DOCTYPE"},
		"must understand":    {open + "<s:Header><x:h s:mustUnderstand='1'/></s:Header>" + body + "</s:Envelope>", CodeMustUnderstand, "<{urn:x}h> must be understood"},
		"must, spelt true":   {open + "<s:Header><x:h s:mustUnderstand='true'/></s:Header>" + body + "</s:Envelope>", CodeMustUnderstand, "{urn:x}h"},
		"must, next actor":   {open + "<s:Header><x:h s:mustUnderstand='1' s:actor='" + actorNext + "'/></s:Header>" + body + "</s:Envelope>", CodeMustUnderstand, "{urn:x}h"},
		"must, what":         {open + "<s:Header><x:h s:mustUnderstand='yes'/></s:Header>" + body + "</s:Envelope>", CodeClient, `"yes", want 0 or 1`},
		"depth":              {open + "<s:Body>" + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + "</s:Body></s:Envelope>", CodeClient, "nest deeper"},
		"ten mebibytes":      {open + "<s:Body><a>" + strings.Repeat("x", 10<<20) + "</a></s:Body></s:Envelope>", CodeClient, "larger than the limit"},
		"attribute twice":    {open + "<s:Body><a b='1' b='2'/></s:Body></s:Envelope>", CodeClient, "twice"},
		"processing instr":   {open + "<s:Body><?x?><a/></s:Body></s:Envelope>", CodeClient, "processing instruction"},
		"undeclared content": {open + "<s:Body><y:a/></s:Body></s:Envelope>", CodeClient, "not declared"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readOne(c.doc, Options{})
			require.True(t, IsFault(err, c.code), "%v", err)
			require.ErrorContains(t, err, c.want)
			require.Less(t, len(err.Error()), 500)
		})
	}
}

func TestOptions(t *testing.T) {
	two := open + "<s:Body><x:a/><x:b/></s:Body></s:Envelope>"
	names, err := readOne(two, Options{Parts: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"{urn:x}a", "{urn:x}b"}, names)

	var seen []string
	o := Options{Header: func(r *xml.Reader, start xml.Token) (bool, error) {
		text, err := r.Content()
		seen = append(seen, text)
		return start.Name.Local == "known", err
	}}
	head := open + "<s:Header><x:known s:mustUnderstand='1'>one</x:known><x:%s>two</x:%s><x:known s:actor='urn:o'>far</x:known></s:Header>" +
		"<s:Body><x:ping/></s:Body></s:Envelope>"
	_, err = readOne(strings.ReplaceAll(head, "%s", "other"), o)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, seen)
	must := strings.Replace(strings.Replace(head, "%s", "other s:mustUnderstand='1'", 1), "%s", "other", 1)
	_, err = readOne(must, o)
	require.True(t, IsFault(err, CodeMustUnderstand))
}

func TestDecoderErrors(t *testing.T) {
	doc := []byte(open + "<s:Body><x:ping/></s:Body></s:Envelope>")
	cause := errors.New("no such thing")
	err := Read("request", doc, Options{}, func(*xml.Reader, xml.Token) error { return cause })
	require.ErrorIs(t, err, cause)
	require.True(t, IsFault(err, CodeClient))

	own := &Fault{Code: CodeServer, String: "full"}
	err = Read("request", doc, Options{}, func(*xml.Reader, xml.Token) error { return own })
	require.Equal(t, own, err)

	err = Read("request", doc, Options{}, func(r *xml.Reader, start xml.Token) error { return r.Unexpected(start) })
	require.EqualError(t, err, "soap fault Client: request:1:89: unexpected element <{urn:x}ping>")
}

func TestEnvelope(t *testing.T) {
	data, err := Style{}.Envelope(func(w *xml.Writer) {
		w.Start("p:ping")
		w.Namespace("p", "urn:x")
		w.End()
	})
	require.NoError(t, err)
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="`+Namespace+`"><soap:Body><p:ping xmlns:p="urn:x"/></soap:Body></soap:Envelope>`, string(data))

	data, err = Style{Prefix: "e", Namespaces: []xml.Binding{{Prefix: "p", Space: "urn:x"}}}.Envelope(func(w *xml.Writer) { w.Leaf("p:ping", "") })
	require.NoError(t, err)
	names, err := readOne(string(data), Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"{urn:x}ping"}, names)
	require.Contains(t, string(data), "<e:Body>")

	_, err = Style{}.Envelope(func(w *xml.Writer) { w.Leaf("p:ping", "") })
	require.ErrorContains(t, err, "not declared")
	data, err = Style{}.Envelope(nil)
	require.NoError(t, err)
	_, err = readOne(string(data), Options{})
	require.ErrorContains(t, err, "Body is empty")
	names, err = readOne(string(data), Options{Empty: true})
	require.NoError(t, err)
	require.Empty(t, names)
}

// received reads a document as a client reads an answer with status 500.
func received(t *testing.T, data []byte) *Fault {
	t.Helper()
	var fault *Fault
	require.ErrorAs(t, (&Client{}).readAnswer(500, data, nil), &fault, string(data))
	return fault
}

func TestFaultRoundTrip(t *testing.T) {
	sent := &Fault{Code: xml.Name{Space: Namespace, Local: "Client.Authentication"}, String: "not you <&>", Actor: "urn:me",
		Detail: func(w *xml.Writer) {
			w.Start("x:denied")
			w.Namespace("x", "urn:x")
			w.Leaf("x:id", "d-1")
			w.End()
		}}
	data, err := Style{Prefix: "soap11"}.Fault(sent)
	require.NoError(t, err)
	require.Contains(t, string(data), "<soap11:Fault><faultcode>soap11:Client.Authentication</faultcode>")
	got := received(t, data)
	require.Equal(t, sent.Code, got.Code)
	require.Equal(t, sent.String, got.String)
	require.Equal(t, sent.Actor, got.Actor)
	denied := got.Received.Child(xml.Name{Space: "urn:x", Local: "denied"})
	require.Equal(t, "d-1", denied.StringValue())
	require.EqualError(t, got, "soap fault Client.Authentication: not you <&>")
	require.True(t, IsFault(got, CodeClient))
	require.False(t, IsFault(got, CodeServer))
	require.False(t, IsFault(&Fault{Code: xml.Name{Space: Namespace, Local: "Clients"}}, CodeClient))
	require.False(t, IsFault(errors.New("x"), CodeClient))
}

func TestFaultsAlwaysReachTheCaller(t *testing.T) {
	own := xml.Name{Space: "urn:own&", Local: "Busy"}
	for name, c := range map[string]struct {
		fault *Fault
		code  xml.Name
		text  string
	}{
		"control characters": {&Fault{Code: CodeClient, String: "bad byte \x00\xFF"}, CodeClient, "bad byte \uFFFD\uFFFD"},
		"no code":            {&Fault{String: "x"}, CodeServer, "x"},
		"injected code":      {&Fault{Code: xml.Name{Space: "u", Local: "a b"}, String: "x"}, CodeServer, "x"},
		"own code":           {&Fault{Code: own, String: "x"}, own, "x"},
		"broken detail":      {&Fault{Code: CodeClient, String: "x", Detail: func(w *xml.Writer) { w.Leaf("p:undeclared", "") }}, CodeClient, "x"},
		"unclosed detail":    {&Fault{Code: CodeClient, String: "x", Detail: func(w *xml.Writer) { w.Start("a") }}, CodeClient, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := Style{}.Fault(c.fault)
			require.NoError(t, err)
			got := received(t, data)
			require.Equal(t, c.code, got.Code)
			require.Equal(t, c.text, got.String)
			require.Nil(t, got.Received)
		})
	}
}

func TestAsFault(t *testing.T) {
	f := AsFault(errors.New("password is hunter2"))
	require.Equal(t, CodeServer, f.Code)
	data, err := Style{}.Fault(f)
	require.NoError(t, err)
	require.NotContains(t, string(data), "hunter2", "what goes wrong inside is not told")
	require.ErrorContains(t, f.Cause, "hunter2")
	own := &Fault{Code: CodeClient}
	require.Same(t, own, AsFault(errors.Join(errors.New("x"), own)))
}

func TestForeignFaults(t *testing.T) {
	wrap := func(inner string) []byte {
		return []byte(open + "<s:Body><s:Fault>" + inner + "</s:Fault></s:Body></s:Envelope>")
	}
	for doc, code := range map[string]xml.Name{
		"<faultcode>s:Server.userException</faultcode><faultstring>m</faultstring><detail><x:h>v</x:h></detail>": {Space: Namespace, Local: "Server.userException"},
		"<faultcode>Server</faultcode><faultstring xml:lang='en'>m</faultstring>":                                {Local: "Server"},
		"<faultcode>zz:Server</faultcode><faultstring>m</faultstring>":                                           {Local: "zz:Server"},
		"<s:faultcode>x:Own</s:faultcode><s:faultstring>m</s:faultstring>":                                       {Space: "urn:x", Local: "Own"},
		"<faultstring>m</faultstring>":                                                                           {},
	} {
		f := received(t, wrap(doc))
		require.Equal(t, code, f.Code, doc)
		require.Equal(t, "m", f.String)
	}
	for _, bad := range []string{"<faultstring>a</faultstring><faultstring>b</faultstring>", "<x:faultstring>a</x:faultstring>", "<other/>"} {
		err := (&Client{}).readAnswer(500, wrap(bad), nil)
		require.ErrorIs(t, err, xml.ErrContent, bad)
	}
}

// TestCaptures reads every envelope that was recorded from foreign clients and servers.
func TestCaptures(t *testing.T) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	var files []string
	for _, pattern := range []string{"pap-soap/*", "arc-argus-pdp/*", "arc-emies/*-POST.txt"} {
		found, err := filepath.Glob(filepath.Join(shared, "captures", pattern))
		require.NoError(t, err)
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("no captures: set GATEHOUSE_SHARED to the directory that holds them")
	}
	envelopes := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for {
			_, rest, found := bytes.Cut(data, []byte("Envelope "))
			if !found {
				break
			}
			start := bytes.LastIndexByte(data[:len(data)-len(rest)], '<')
			end := bytes.Index(rest, []byte("Envelope>"))
			if end < 0 {
				break
			}
			doc := data[start : len(data)-len(rest)+end+len("Envelope>")]
			_, err := readOne(string(doc), Options{Empty: true}) // as ARC answers putProxy
			require.NoError(t, err, file)
			data = rest[end+len("Envelope>"):]
			envelopes++
		}
	}
	t.Logf("%d envelopes in %d files", envelopes, len(files))
	require.NotZero(t, envelopes)
}

// FuzzRead: no envelope makes the reader panic; the decoder is called once before success, and every refusal is a
// fault that can be sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte(open + "<s:Header><x:h s:mustUnderstand='1'/></s:Header><s:Body><x:ping>a</x:ping></s:Body></s:Envelope>"))
	f.Add([]byte(open + "<s:Body><s:Fault><faultcode>s:Server</faultcode><detail><a/></detail></s:Fault></s:Body></s:Envelope>"))
	f.Add([]byte("<a/>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := readOne(string(data), Options{})
		if err == nil {
			require.Len(t, names, 1)
			_ = (&Client{}).readAnswer(500, data, nil)
			return
		}
		out, err := Style{}.Fault(AsFault(err))
		require.NoError(t, err)
		var back *Fault
		require.ErrorAs(t, (&Client{}).readAnswer(500, out, nil), &back)
	})
}
