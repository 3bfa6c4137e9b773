package authnprofile

import (
	"errors"
	"fmt"
	"strings"
)

// entry is a line with those that continue it.
type entry struct {
	line int // of its first line
	text string
}

// maxEntries bounds what one file may hold.
const maxEntries = 10000

// entries cuts a text into entries, without comments and blank lines. A
// comment begins with "#" outside of quotes and ends with its entry.
func entries(text string) ([]entry, error) {
	var all []entry
	var current entry
	line, open := 0, false
	for content := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line++
		content = strings.TrimRight(content, "\r\n")
		if !open {
			current = entry{line: line}
		}
		content, open = continued(content, open)
		current.text += content
		if open {
			continue
		}
		var err error
		if all, err = appendEntry(all, current); err != nil {
			return nil, err
		}
	}
	if open {
		return appendEntry(all, current)
	}
	return all, nil
}

// continued takes the backslash off a line that goes on. A line that is only a
// comment does not.
func continued(content string, within bool) (rest string, open bool) {
	trimmed := strings.TrimRight(content, " \t")
	if !strings.HasSuffix(trimmed, `\`) || !within && strings.HasPrefix(strings.TrimLeft(content, " \t"), "#") {
		return content, false
	}
	return strings.TrimSuffix(trimmed, `\`) + " ", true
}

func appendEntry(all []entry, e entry) ([]entry, error) {
	e.text = strings.TrimSpace(uncommented(e.text))
	if e.text == "" {
		return all, nil
	}
	if len(all) == maxEntries {
		return nil, fmt.Errorf("line %d: more than %d entries", e.line, maxEntries)
	}
	return append(all, e), nil
}

// uncommented cuts a text at the first "#" outside of quotes.
func uncommented(s string) string {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '#' && !quoted:
			return s[:i]
		}
	}
	return s
}

// item is one of a list that is separated by commas.
type item struct {
	text   string
	quoted bool
}

// items reads a list such as `"/CN=a, b", file:c`. Empty items say nothing.
func items(s string) ([]item, error) {
	var all []item
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return all, nil
		}
		var one item
		if s[0] == '"' {
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return nil, errors.New("a quote does not end")
			}
			one, s = item{s[1 : end+1], true}, s[end+2:]
		} else {
			end := strings.IndexAny(s, ", \t\"")
			if end < 0 {
				end = len(s)
			}
			one, s = item{text: s[:end]}, s[end:]
		}
		if s = strings.TrimLeft(s, " \t"); s != "" && s[0] != ',' {
			return nil, fmt.Errorf("want a comma after %q", one.text)
		}
		if strings.TrimSpace(one.text) != "" {
			all = append(all, one)
		}
	}
}
