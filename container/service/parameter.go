package service

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultLength is the most bytes of a string whose parameter does not say.
const DefaultLength = 4096

// maxNumber bounds the text of a number: more digits serve no service.
const maxNumber = 128

// Parameter is one typed parameter of a method.
type Parameter struct {
	Name          string   `yaml:"name"`
	Documentation string   `yaml:"documentation"`
	Type          Type     `yaml:"type"`
	Optional      bool     `yaml:"optional"` // may be left out
	Default       *string  `yaml:"default"`  // stands in when it is left out
	Min           string   `yaml:"min"`      // numbers: the least, included
	Max           string   `yaml:"max"`      // numbers: the greatest, included
	OneOf         []string `yaml:"one-of"`   // the only values, as written
	Pattern       string   `yaml:"pattern"`  // strings: RE2, matches the whole
	MaxLength     int      `yaml:"max-length"`
	Dash          bool     `yaml:"may-begin-with-dash"` // a value may begin with "-" and look like an option

	min, max *big.Rat
	pattern  *regexp.Regexp
}

// Type is the local name of a type of XML Schema part 2.
type Type string

// The types of parameters.
const (
	String  Type = "string"
	Boolean Type = "boolean"
	Int     Type = "int"
	Long    Type = "long"
	Integer Type = "integer"
	Decimal Type = "decimal"
	Double  Type = "double"
)

var types = []Type{String, Boolean, Int, Long, Integer, Decimal, Double}

// Required reports whether a caller must give a value.
func (p *Parameter) Required() bool { return !p.Optional && p.Default == nil }

func (p *Parameter) numeric() bool { return p.Type != String && p.Type != Boolean }

func (p *Parameter) prepare() (err error) {
	if !slices.Contains(types, p.Type) {
		return fmt.Errorf("type %q: want one of %v", p.Type, types)
	}
	if p.Type != String && (p.Pattern != "" || p.MaxLength != 0 || p.Dash) {
		return fmt.Errorf("pattern, max-length and may-begin-with-dash are for strings")
	}
	if p.Type == Boolean && len(p.OneOf) > 0 {
		return errors.New("one-of is not for booleans")
	}
	if !p.numeric() && (p.Min != "" || p.Max != "") {
		return errors.New("min and max are for numbers")
	}
	if p.MaxLength < 0 || p.MaxLength > 64<<10 {
		return fmt.Errorf("max-length %d: want 1 to 65536 bytes", p.MaxLength)
	}
	if p.MaxLength == 0 {
		p.MaxLength = DefaultLength
	}
	if p.pattern, err = regexp.Compile(`^(?:` + p.Pattern + `)$`); err != nil {
		return fmt.Errorf("pattern %q: %w", p.Pattern, err)
	}
	if p.min, err = bound(p.Min); err != nil {
		return err
	}
	p.max, err = bound(p.Max)
	return err
}

func bound(text string) (*big.Rat, error) {
	if text == "" {
		return nil, nil
	}
	if !decimal.MatchString(text) || len(text) > maxNumber {
		return nil, fmt.Errorf("bound %q: want a number", text)
	}
	r, _ := new(big.Rat).SetString(text)
	return r, nil
}

// Check reads a value as it came and returns the text that becomes an
// argument. The error names the parameter and what it may be.
func (p *Parameter) Check(value string) (string, error) {
	text, err := p.read(value)
	if err == nil && len(p.OneOf) > 0 && !slices.Contains(p.OneOf, text) {
		err = fmt.Errorf("want one of %q", p.OneOf)
	}
	if err != nil {
		return "", fmt.Errorf("parameter %q: %s is not allowed: %w", p.Name, quote(value), err)
	}
	return text, nil
}

func (p *Parameter) read(value string) (string, error) {
	switch p.Type {
	case String:
		return value, p.checkString(value)
	case Boolean:
		return readBoolean(value)
	case Double:
		return p.readDouble(value)
	}
	return p.readNumber(value)
}

func (p *Parameter) checkString(value string) error {
	if len(value) > p.MaxLength {
		return fmt.Errorf("longer than %d bytes", p.MaxLength)
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return errors.New("holds control characters")
	}
	if !p.pattern.MatchString(value) && p.Pattern != "" {
		return fmt.Errorf("does not match %s", p.Pattern)
	}
	return nil
}

const blanks = " \t\r\n"

func readBoolean(value string) (string, error) {
	switch strings.Trim(value, blanks) {
	case "true", "1":
		return "true", nil
	case "false", "0":
		return "false", nil
	}
	return "", errors.New("want true or false")
}

var (
	integer = regexp.MustCompile(`^[+-]?[0-9]+$`)
	decimal = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$`)
	double  = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)
)

func (p *Parameter) readNumber(value string) (string, error) {
	text := strings.Trim(value, blanks)
	form := integer
	if p.Type == Decimal {
		form = decimal
	}
	if len(text) > maxNumber || !form.MatchString(text) {
		return "", fmt.Errorf("want %s %s", article(p.Type), p.Type)
	}
	r, _ := new(big.Rat).SetString(text)
	if bits := map[Type]int{Int: 31, Long: 63}[p.Type]; bits > 0 && !fits(r.Num(), bits) {
		return "", fmt.Errorf("does not fit %s %s", article(p.Type), p.Type)
	}
	if p.Type != Decimal {
		text = r.Num().String()
	}
	return text, p.inBounds(r)
}

func fits(n *big.Int, bits int) bool {
	limit := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return n.Cmp(limit) < 0 && n.Cmp(new(big.Int).Neg(limit)) >= 0
}

func article(t Type) string {
	if strings.ContainsRune("aeiou", rune(t[0])) {
		return "an"
	}
	return "a"
}

func (p *Parameter) readDouble(value string) (string, error) {
	text := strings.Trim(value, blanks)
	if len(text) > maxNumber || !double.MatchString(text) {
		return "", errors.New("want a finite number")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return "", errors.New("want a finite number")
	}
	r, _ := new(big.Rat).SetString(text)
	return text, p.inBounds(r)
}

func (p *Parameter) inBounds(r *big.Rat) error {
	if p.min != nil && r.Cmp(p.min) < 0 {
		return fmt.Errorf("want at least %s", p.Min)
	}
	if p.max != nil && r.Cmp(p.max) > 0 {
		return fmt.Errorf("want at most %s", p.Max)
	}
	return nil
}

// quote shows the start of what a caller sent, without what a terminal obeys.
func quote(value string) string {
	const most = 60
	if len(value) > most {
		return strconv.QuoteToASCII(value[:most]) + "…"
	}
	return strconv.QuoteToASCII(value)
}
