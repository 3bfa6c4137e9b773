package token

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is read from strangers.
const (
	maxDepth = 16   // of nested arrays and objects
	maxText  = 1024 // bytes of one name
	maxItems = 256  // scopes, audiences, groups
)

// object is a JSON object whose members are looked at one by one.
type object map[string]jsontext.Value

// parseObject reads one JSON object: UTF-8, no name twice at any depth, nothing
// after it.
func parseObject(data []byte) (object, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("not well-formed JSON at byte %d: %w", d.InputOffset(), reason(err))
		}
		if d.StackDepth() > maxDepth {
			return nil, fmt.Errorf("JSON nested more than %d deep", maxDepth)
		}
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, errors.New("not one JSON object")
	}
	return o, nil
}

// reason is an error without the text that it quotes.
func reason(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errors.New("a name occurs twice")
	}
	return errors.New("syntax error")
}

// reader reads members, remembering the first thing wrong. What is wrong reads
// as absent, so that the rest of a bad token is still there for bans.
type reader struct {
	object
	err error
}

func (r *reader) fail(format string, arguments ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, arguments...)
	}
}

// text reads a string, "" if it is not there.
func (r *reader) text(name string) string {
	value, found := r.object[name]
	if !found {
		return ""
	}
	var s string
	if value.Kind() != '"' || json.Unmarshal(value, &s) != nil || s == "" {
		r.fail("%s is not a string, or is empty", name)
		return ""
	}
	if err := clean(s); err != nil {
		r.fail("%s %w", name, err)
		return ""
	}
	return s
}

// texts reads a string or an array of strings.
func (r *reader) texts(name string) []string {
	value, found := r.object[name]
	if !found {
		return nil
	}
	var list []string
	switch value.Kind() {
	case '"':
		if s := r.text(name); s != "" {
			list = []string{s}
		}
		return list
	case '[':
		var values []jsontext.Value
		if json.Unmarshal(value, &values) != nil || len(values) > maxItems {
			r.fail("%s has more than %d values", name, maxItems)
			return nil
		}
		for _, v := range values {
			one := reader{object: object{name: v}}
			if s := one.text(name); s != "" {
				list = append(list, s)
			}
			if one.err != nil {
				r.fail("%w", one.err)
			}
		}
		return list
	}
	r.fail("%s is neither a string nor a list of strings", name)
	return nil
}

// seconds reads a NumericDate (RFC 7519 section 2) that is a whole number of
// seconds, in plain digits.
func (r *reader) seconds(name string) (int64, bool) {
	value, found := r.object[name]
	if !found {
		return 0, false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		r.fail("%s is not a time in whole seconds", name)
		return 0, false
	}
	return n, true
}

// clean refuses texts that would not be read as they are compared.
func clean(s string) error {
	switch {
	case len(s) > maxText:
		return fmt.Errorf("is longer than %d bytes", maxText)
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a blank")
	}
	for _, c := range s {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == unicode.ReplacementChar || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) {
			return fmt.Errorf("holds the character %U", c)
		}
	}
	return nil
}
