package authz

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

var (
	errHex    = errors.New("want an even number of hexadecimal digits")
	errBase64 = errors.New("want base64 with its padding")
)

// HexBinaryValue returns a value of type xs:hexBinary. The caller must not
// change b afterwards.
func HexBinaryValue(b []byte) Value {
	return newValue(kindHex, strings.ToUpper(hex.EncodeToString(b)), string(b), b)
}

// Base64BinaryValue returns a value of type xs:base64Binary. The caller must
// not change b afterwards.
func Base64BinaryValue(b []byte) Value {
	return newValue(kindBase64, base64.StdEncoding.EncodeToString(b), string(b), b)
}

func parseHexBinary(text string) (parsed, error) {
	b, err := hex.DecodeString(strings.Trim(text, xmlBlanks))
	if err != nil {
		return parsed{}, errHex
	}
	return HexBinaryValue(b).parsed(), nil
}

func parseBase64Binary(text string) (parsed, error) {
	s := strings.Map(func(r rune) rune {
		if strings.ContainsRune(xmlBlanks, r) {
			return -1
		}
		return r
	}, text)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return parsed{}, errBase64
	}
	return Base64BinaryValue(b).parsed(), nil
}
