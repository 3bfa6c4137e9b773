package token

// NormalEntitlement returns a membership of AARC-G002 or G069 in the form in
// which [Claims.Groups] has it, to compare with those.
func NormalEntitlement(text string) (string, error) {
	e, err := parseEntitlement(text)
	if err != nil {
		return "", err
	}
	return e.implied()[0], nil
}
