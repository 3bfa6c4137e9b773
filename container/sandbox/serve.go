package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Serve answers a GET or HEAD for one path of a sandbox: a file with ranges, or
// a directory as HTML, or as JSON for a client that asks for
// application/json. The request must already be authorized. It returns an error
// only when it has answered nothing: ErrPath, ErrName, or a fault of the machine.
func Serve(w http.ResponseWriter, r *http.Request, files Files, s Session, path string) error {
	clean, err := Clean(path)
	if err != nil {
		return err
	}
	if clean == "" {
		return serveListing(w, r, files, s, "")
	}
	entry, err := files.Stat(r.Context(), s, clean)
	if err != nil {
		return err
	}
	if entry.Dir {
		return serveListing(w, r, files, s, clean)
	}
	f, entry, err := files.Open(r.Context(), s, clean)
	if err != nil {
		return err
	}
	defer f.Close()
	kind, err := contentType(f)
	if err != nil {
		return err
	}
	guard(w)
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", entry.Modified, f)
	return nil
}

// guard keeps what a job wrote from running in the browser of whoever looks at
// it, and the secret id in the URL from leaving in a Referer or a cache.
func guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store")
}

// contentType is plain text or octets: nothing that a browser would interpret.
func contentType(f *os.File) (string, error) {
	var head [512]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	if strings.HasPrefix(http.DetectContentType(head[:n]), "text/") {
		return "text/plain; charset=utf-8", nil
	}
	return "application/octet-stream", nil
}

// Listing is a directory as JSON.
type Listing struct {
	Path    string  `json:"path"`
	Entries []Entry `json:"entries"`
	More    bool    `json:"more,omitempty"` // there are more than MaxEntries
}

func serveListing(w http.ResponseWriter, r *http.Request, files Files, s Session, path string) error {
	entries, more, err := files.List(r.Context(), s, path)
	if err != nil {
		return err
	}
	guard(w)
	w.Header().Set("Vary", "Accept")
	list := Listing{Path: path, Entries: entries, More: more}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		return send(w, "application/json", func(b *bytes.Buffer) error { return json.NewEncoder(b).Encode(list) })
	}
	// Links are relative to the directory, so it must end in a slash.
	if !strings.HasSuffix(r.URL.Path, "/") {
		target := r.URL.EscapedPath()
		http.Redirect(w, r, "./"+target[strings.LastIndexByte(target, '/')+1:]+"/", http.StatusMovedPermanently)
		return nil
	}
	return send(w, "text/html; charset=utf-8", func(b *bytes.Buffer) error { return page.Execute(b, list) })
}

// send writes a body that was made whole, so that an error is never half an
// answer. A client that has gone is no error.
func send(w http.ResponseWriter, kind string, write func(*bytes.Buffer) error) error {
	var body bytes.Buffer
	if err := write(&body); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body.Bytes())
	return nil
}

var page = template.Must(template.New("listing").Funcs(template.FuncMap{"escape": url.PathEscape}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>sandbox /{{.Path}}</title>
<style>body{font-family:sans-serif}td{padding:0 1em}</style></head>
<body><h1>/{{.Path}}</h1><table>
{{- if .Path}}<tr><td><a href="../">..</a></td><td></td><td></td></tr>{{end}}
{{- range .Entries}}
<tr><td>{{if .Other}}{{.Name}}{{else if .Dir}}<a href="./{{escape .Name}}/">{{.Name}}/</a>{{else}}<a href="./{{escape .Name}}">{{.Name}}</a>{{end}}</td>
<td>{{if .Other}}not shown{{else if not .Dir}}{{.Size}}{{end}}</td><td>{{.Modified.Format "2006-01-02 15:04:05"}} UTC</td></tr>
{{- end}}
</table>{{if .More}}<p>There are more entries than are listed.</p>{{end}}</body></html>
`))
