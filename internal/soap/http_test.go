package soap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var echoName = xml.Name{Space: "urn:x", Local: "echo"}

// echo is a service that says back what it is told, and counts how often it acted.
func echo(acted *int) *Handler {
	return &Handler{
		MaxBody: 4096,
		Decode: func(r *xml.Reader, start xml.Token) (Call, error) {
			if start.Name != echoName {
				return nil, r.Unexpected(start)
			}
			text, err := r.Content()
			if err != nil {
				return nil, err
			}
			return func(req *http.Request) (Body, error) {
				*acted++
				switch text {
				case "fail":
					return nil, errors.New("secret inside")
				case "deny":
					return nil, &Fault{Code: CodeClient, String: "denied", Detail: func(w *xml.Writer) { w.Leaf("why", "banned") }}
				case "mute":
					return func(w *xml.Writer) { w.Text("\x00") }, nil
				}
				return answer(text + "/" + Action(req)), nil
			}, nil
		},
	}
}

func answer(text string) Body {
	return func(w *xml.Writer) {
		w.Start("x:answer")
		w.Namespace("x", "urn:x")
		w.Text(text)
		w.End()
	}
}

func ask(text string) Body {
	return func(w *xml.Writer) {
		w.Start("echo")
		w.Namespace("", "urn:x")
		w.Text(text)
		w.End()
	}
}

func serve(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(server.Client().CloseIdleConnections)
	return &Client{HTTP: server.Client(), URL: server.URL + "/echo"}
}

func call(c *Client, action, text string) (got string, err error) {
	err = c.Call(context.Background(), action, ask(text), func(r *xml.Reader, start xml.Token) error {
		if start.Name != (xml.Name{Space: "urn:x", Local: "answer"}) {
			return r.Unexpected(start)
		}
		got, err = r.Content()
		return err
	})
	return got, err
}

func TestCall(t *testing.T) {
	acted := 0
	c := serve(t, echo(&acted))
	got, err := call(c, "urn:x/echo", "hello <&>\n")
	require.NoError(t, err)
	require.Equal(t, "hello <&>\n/urn:x/echo", got)

	_, err = call(c, "", "deny")
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, CodeClient, fault.Code)
	require.Equal(t, "banned", fault.Received.StringValue())

	_, err = call(c, "", "fail")
	require.ErrorAs(t, err, &fault)
	require.Equal(t, CodeServer, fault.Code)
	require.Equal(t, "internal error", fault.String)

	_, err = call(c, "", "mute")
	require.True(t, IsFault(err, CodeServer), "%v", err)

	_, err = call(c, "a\"b", "x")
	require.ErrorContains(t, err, "SOAPAction")
	require.Equal(t, 4, acted)
}

func TestHandlerRefuses(t *testing.T) {
	envelope := func(body string) string { return open + "<s:Body>" + body + "</s:Body></s:Envelope>" }
	good := envelope("<x:echo>hi</x:echo>")
	for name, c := range map[string]struct {
		method, contentType, body string
		status                    int
		want                      string
	}{
		"get":               {"GET", "", "", 405, "calls are POST"},
		"put":               {"PUT", "text/xml", good, 405, "calls are POST"},
		"no type":           {"POST", "", good, 415, "SOAP 1.1 is text/xml"},
		"soap 1.2 type":     {"POST", "application/soap+xml", good, 415, "SOAP 1.1 is text/xml"},
		"attachments":       {"POST", `multipart/related; type="text/xml"`, good, 415, "SOAP 1.1 is text/xml"},
		"latin 1":           {"POST", "text/xml; charset=iso-8859-1", good, 415, "only UTF-8"},
		"too large":         {"POST", "text/xml", envelope("<x:echo>" + strings.Repeat("x", 5000) + "</x:echo>"), 413, "limit of 4096"},
		"empty":             {"POST", "text/xml", "", 500, "no element"},
		"unknown operation": {"POST", "text/xml", envelope("<x:other/>"), 500, "unexpected element &lt;{urn:x}other&gt;"},
		"two bodies":        {"POST", "text/xml", envelope("<x:echo>hi</x:echo><x:echo>hi</x:echo>"), 500, "too many"},
		"broken behind":     {"POST", "text/xml", good[:len(good)-3], 500, "request:1:"},
		"trailing envelope": {"POST", "text/xml", good + good, 500, "second root"},
		"doctype":           {"POST", "text/xml", "<!DOCTYPE x [<!ENTITY y 'z'>]>" + good, 500, "DOCTYPE"},
	} {
		t.Run(name, func(t *testing.T) {
			acted, reported := 0, 0
			h := echo(&acted)
			h.Report = func(*http.Request, error) { reported++ }
			req := httptest.NewRequest(c.method, "/echo", strings.NewReader(c.body))
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			require.Equal(t, c.status, w.Code)
			require.Contains(t, w.Body.String(), c.want)
			require.Equal(t, 1, reported)
			require.Zero(t, acted, "nothing is done for a refused envelope")
			switch c.status {
			case 500:
				require.Equal(t, "text/xml; charset=utf-8", w.Header().Get("Content-Type"))
				require.Contains(t, w.Body.String(), "<faultcode>soap:Client</faultcode>")
			case 405:
				require.Equal(t, "POST", w.Header().Get("Allow"))
			}
		})
	}
}

func TestEmptyAnswer(t *testing.T) {
	c := serve(t, &Handler{Decode: func(*xml.Reader, xml.Token) (Call, error) {
		return func(*http.Request) (Body, error) { return nil, nil }, nil
	}})
	require.NoError(t, c.Call(context.Background(), "", ask("x"), nil))
	_, err := call(c, "", "x")
	require.ErrorContains(t, err, "Body is empty")
}

func TestHandlerWithoutCall(t *testing.T) {
	h := &Handler{Decode: func(*xml.Reader, xml.Token) (Call, error) { return nil, nil }}
	_, err := call(serve(t, h), "", "x")
	require.True(t, IsFault(err, CodeServer))
}

func TestRequestForms(t *testing.T) {
	body := open + "<s:Body><x:echo>hi</x:echo></s:Body></s:Envelope>"
	acted := 0
	c := serve(t, echo(&acted))
	for action, want := range map[string]string{`"urn:a"`: "hi/urn:a", `urn:a`: "hi/urn:a", `""`: "hi/", ``: "hi/", "absent": "hi/"} {
		for _, contentType := range []string{"text/xml", "text/xml; charset=utf-8", `text/xml;charset="UTF-8"`, `Text/XML; action="x"`} {
			req, err := http.NewRequest(http.MethodPost, c.URL, struct{ io.Reader }{strings.NewReader(body)}) // chunked
			require.NoError(t, err)
			req.Header.Set("Content-Type", contentType)
			req.Header.Set("Expect", "100-continue")
			if action != "absent" {
				req.Header.Set("SOAPAction", action)
			}
			res, err := c.HTTP.Do(req)
			require.NoError(t, err)
			data, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 200, res.StatusCode, string(data))
			require.Equal(t, "text/xml; charset=utf-8", res.Header.Get("Content-Type"))
			require.Contains(t, string(data), ">"+want+"<")
		}
	}
}

func TestChunkedBodyIsBounded(t *testing.T) {
	acted := 0
	req := httptest.NewRequest(http.MethodPost, "/", struct{ io.Reader }{io.LimitReader(endless{}, 10<<20)})
	req.ContentLength = -1
	req.Header.Set("Content-Type", "text/xml")
	w := httptest.NewRecorder()
	echo(&acted).ServeHTTP(w, req)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)

	req = httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(open), broken{}))
	req.Header.Set("Content-Type", "text/xml")
	w = httptest.NewRecorder()
	echo(&acted).ServeHTTP(w, req)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "cable cut")

	req = httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("Content-Encoding", "gzip")
	w = httptest.NewRecorder()
	echo(&acted).ServeHTTP(w, req)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cable cut") }

func TestClientRefuses(t *testing.T) {
	good := open + "<s:Body><x:answer>hi</x:answer></s:Body></s:Envelope>"
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		want              string
	}{
		"not found":       {404, "text/plain", "nothing here", `404 Not Found: "nothing here"`},
		"forbidden, xml":  {403, "text/xml", good, "403 Forbidden"},
		"accepted":        {202, "text/xml", good, "202 Accepted"},
		"login page":      {200, "text/html", "<html>", `content type is "text/html"`},
		"json error":      {500, "application/json", `{"e":1}`, "content type"},
		"error, no fault": {500, "text/xml", good, "<{urn:x}answer> with HTTP status 500"},
		"broken":          {200, "text/xml", good[:60], "answer:1:"},
		"trailing":        {200, "text/xml", good + "x", "text after"},
		"empty":           {200, "text/xml", "", "no element"},
		"other element":   {200, "text/xml", strings.ReplaceAll(good, "answer", "reply"), "unexpected element"},
		"too large":       {200, "text/xml", strings.ReplaceAll(good, "hi", strings.Repeat("x", 9000)), "larger than the limit of 8192"},
		"fault with 200":  {200, "text/xml", open + "<s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>", "soap fault Server: no"},
		"fault, two":      {200, "text/xml", open + "<s:Body><s:Fault/><x:answer>hi</x:answer></s:Body></s:Envelope>", "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			client.MaxBody = 8192
			_, err := call(client, "", "x")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, client.URL)
		})
	}
}

func TestClientDoesNotFollowRedirects(t *testing.T) {
	reached := false
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/echo" {
			reached = true
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	_, err := call(c, "", "x")
	require.ErrorContains(t, err, "307")
	require.False(t, reached, "the call must not be repeated where it was not sent")
}

func TestClientStops(t *testing.T) {
	acted := 0
	c := serve(t, echo(&acted))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := c.Call(ctx, "", ask("x"), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, c.Call(context.Background(), "", ask("x"), nil))
	require.True(t, IsFault(c.Call(context.Background(), "", ask("deny"), nil), CodeClient))
}

func TestCallsMayAnswerWithAStatus(t *testing.T) {
	c := serve(t, &Handler{Decode: func(*xml.Reader, xml.Token) (Call, error) {
		return func(*http.Request) (Body, error) {
			return nil, &StatusError{http.StatusForbidden, "certificate has expired"}
		}, nil
	}})
	_, err := call(c, "", "x")
	require.ErrorContains(t, err, `403 Forbidden: "certificate has expired"`)
	require.EqualError(t, &StatusError{Message: "why"}, "why")
}
