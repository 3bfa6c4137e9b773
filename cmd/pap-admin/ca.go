package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// readCA returns the name by which the CA in a file is banned: its key. Further
// name=value pairs must hold too.
func readCA(args []string, path string) ([]change.Name, error) {
	if len(args) == 0 || args[0] != "subject-issuer" {
		return nil, usage("--cert names a CA: say subject-issuer --cert %s", path)
	}
	var names []change.Name
	if len(args) > 1 {
		var err error
		if names, err = readNames(args[1:]); err != nil {
			return nil, unusable(err)
		}
	}
	key, err := keyOfCA(path)
	if err != nil {
		return nil, unusable(fmt.Errorf("%s: %w", path, err))
	}
	return append([]change.Name{{Attribute: "ca-key", Value: key}}, names...), nil
}

func keyOfCA(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return "", errors.New("it holds no certificate in PEM form")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return "", err
		case ca.Version >= 3 && !ca.IsCA:
			return "", errors.New("that is no CA: ban its holder by subject")
		}
		return trust.KeyOf(ca), nil
	}
}
