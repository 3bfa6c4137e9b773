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
	return Value{typ: HexBinary, text: strings.ToUpper(hex.EncodeToString(b)), key: string(b), data: b}.hashed()
}

// Base64BinaryValue returns a value of type xs:base64Binary. The caller must
// not change b afterwards.
func Base64BinaryValue(b []byte) Value {
	return Value{typ: Base64Binary, text: base64.StdEncoding.EncodeToString(b), key: string(b), data: b}.hashed()
}

func parseHexBinary(text string) (Value, error) {
	b, err := hex.DecodeString(strings.Trim(text, xmlBlanks))
	if err != nil {
		return Value{}, errHex
	}
	return HexBinaryValue(b), nil
}

func parseBase64Binary(text string) (Value, error) {
	s := strings.Map(func(r rune) rune {
		if strings.ContainsRune(xmlBlanks, r) {
			return -1
		}
		return r
	}, text)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return Value{}, errBase64
	}
	return Base64BinaryValue(b), nil
}
