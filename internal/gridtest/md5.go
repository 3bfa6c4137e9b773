package gridtest

import (
	"bytes"
	"crypto"
	"crypto/md5" //nolint:gosec // certificates of old had it
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"crypto/x509/pkix"
)

// SignMD5 signs a certificate again, with MD5, which the standard library will
// not. It must be signed with RSA and SHA-256, by the key given.
func SignMD5(c *x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	const sha256WithRSA, md5WithRSA = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"
	if c.SignatureAlgorithm != x509.SHA256WithRSA {
		return nil, errors.New("not signed with RSA and SHA-256")
	}
	tbs := bytes.Replace(c.RawTBSCertificate, []byte(sha256WithRSA), []byte(md5WithRSA), 1)
	sum := md5.Sum(tbs) //nolint:gosec // see the import
	signature, err := key.Sign(rand.Reader, sum[:], crypto.MD5)
	if err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
