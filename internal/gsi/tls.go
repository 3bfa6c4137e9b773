package gsi

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
)

// ServerTLS returns the configuration of a server that asks its clients for a
// certificate. With anonymous, they need not present one. A bad chain does not
// end the handshake, or the client would read "bad certificate" and nothing
// else: call [Verifier.FromTLS] for each request and refuse there. Only a chain
// of excessive size ends it.
func (v *Verifier) ServerTLS(host *Host, anonymous bool) *tls.Config {
	auth := tls.RequireAnyClientCert
	if anonymous {
		auth = tls.RequestClientCert
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		ClientAuth:     auth,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: host.GetCertificate,
		// Not VerifyPeerCertificate, which a resumed session skips.
		VerifyConnection: func(state tls.ConnectionState) error {
			n := 0
			for _, c := range state.PeerCertificates {
				n += len(c.Raw)
			}
			if n > proxy.MaxBytes {
				return fmt.Errorf("a chain of %d bytes: at most %d are accepted", n, proxy.MaxBytes)
			}
			v.FromTLS(&state) // the verdict is now in the cache
			return nil
		},
	}
}

// ClientTLS returns the configuration of a client that presents host's chain,
// if any, and accepts a server that the authorities certify, that is not
// revoked, and whose subject alternative name is what the client called it.
// Authorities that leave, and revocations, count at once; authorities that
// join count in a configuration made afterwards.
func (v *Verifier) ClientTLS(host *Host) *tls.Config {
	pool := x509.NewCertPool()
	for _, ca := range v.trust.Current().Certificates() {
		pool.AddCert(ca) // also those below a root: few servers send them
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    pool,
		VerifyConnection: func(state tls.ConnectionState) error {
			return v.VerifyServer(state.PeerCertificates)
		},
	}
	if host != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return host.GetCertificate(nil) }
	}
	return c
}
