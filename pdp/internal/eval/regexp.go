package eval

import "regexp"

func compileXPathRegexp(pattern string) (*regexp.Regexp, error) { return regexp.Compile(pattern) }
