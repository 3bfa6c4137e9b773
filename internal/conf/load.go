package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize bounds a configuration file.
const MaxSize = 4 << 20

// Load reads the YAML text data into the struct that v points to; keys that
// the text does not name keep their value, the default. A list or a map in the
// text replaces the default one. name is the file's path: it stands in the
// errors, and relative values of type Path and Secret, defaults included, are
// relative to its directory. What is wrong comes back as Errors, all of it; v
// is then half filled and must not be used.
func Load(name string, data []byte, v any) error {
	to := reflect.ValueOf(v)
	if to.Kind() != reflect.Pointer || to.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("conf.Load into %T: want a pointer to a struct", v)
	}
	d := &decoder{file: name, lines: strings.Split(string(data), "\n"), base: filepath.Dir(name)}
	root := d.parse(data)
	if root != nil {
		d.value(root, to.Elem(), wholeFile)
	}
	if len(d.errs) == 0 {
		resolve(to.Elem(), d.base)
		d.check(root, to.Elem(), wholeFile)
	}
	if len(d.errs) > 0 {
		return d.errs.sorted()
	}
	return nil
}

// decoder walks the YAML tree and the Go value side by side. yaml.v3 could do
// so itself, but its errors know no columns and nothing of near names.
type decoder struct {
	file, base string
	lines      []string
	errs       Errors
}

// maxErrors is enough to correct a file by; a file of another kind yields
// thousands.
const maxErrors = 50

func (d *decoder) fail(line, column int, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		return
	}
	e := &Error{File: d.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
	if line > 0 && line <= len(d.lines) {
		e.Source = strings.TrimRight(d.lines[line-1], "\r")
	}
	d.errs = append(d.errs, e)
}

func (d *decoder) at(n *yaml.Node, format string, args ...any) {
	d.fail(n.Line, n.Column, format, args...)
}

// parse returns the one document's content, or nil when there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	switch {
	case len(data) > MaxSize:
		d.fail(0, 0, "larger than %d bytes: this is no configuration", MaxSize)
		return nil
	case !utf8.Valid(data):
		d.fail(0, 0, "not UTF-8 text")
		return nil
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := in.Decode(&more); {
	case err == nil:
		d.at(&more, "a second document: one file holds one configuration")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
	if root := doc.Content[0]; root.ShortTag() != "!!null" {
		return root
	}
	return nil
}

var lineNumber = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (d *decoder) syntax(err error) {
	m := lineNumber.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		d.fail(0, 0, "not YAML: %v", err)
		return
	}
	line, _ := strconv.Atoi(m[1])
	d.fail(line, 0, "not YAML: %s", m[2])
}

// checker is a value that knows what is wrong with it.
type checker interface{ Check() error }

// check asks v what is wrong with it and says so at n.
func (d *decoder) check(n *yaml.Node, v reflect.Value, what string) {
	c, ok := v.Addr().Interface().(checker)
	if !ok {
		return
	}
	if err := c.Check(); err != nil {
		if n == nil {
			n = &yaml.Node{}
		}
		d.at(n, "%s: %v", what, err)
	}
}

// resolve makes every Path and Secret below v absolute or relative to base.
func resolve(v reflect.Value, base string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			resolve(v.Elem(), base)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				resolve(v.Field(i), base)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			resolve(v.Index(i), base)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			resolve(item, base)
			v.SetMapIndex(k, item)
		}
	case reflect.String:
		t := v.Type()
		if s := v.String(); (t == pathType || t == secretType) && s != "" && !filepath.IsAbs(s) {
			v.SetString(filepath.Join(base, s))
		}
	}
}
