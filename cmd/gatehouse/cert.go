package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func newCert() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Look at certificates, proxies and what VOMS says in them",
		Example: `  gatehouse cert inspect /tmp/x509up_u1000
  gatehouse cert inspect --config /etc/gatehouse/gatehouse.yaml --token token`,
	}
	cmd.AddCommand(newInspect())
	return cmd
}

// inspection says what a chain is inspected against.
type inspection struct {
	config   string
	token    string // file of a token, looked at in place of a chain
	format   string // text or json
	trust    TrustConfig
	hosts    []string
	strength []pip.StrengthRule
}

// vomsDirectory is looked at if it is there and nobody says otherwise.
const vomsDirectory = "/etc/grid-security/vomsdir"

func newInspect() *cobra.Command {
	var i inspection
	var trustDir, vomsDir, policy, crl string
	var accept []string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say whether a certificate or proxy would be accepted, and if not, why",
		Long: `Inspect reads a certificate, a chain or a proxy in PEM form ("-" is standard
input) and shows each certificate, each check in the order in which the service
makes it, the FQANs that count and those that do not, the authentication
profiles and the key of the CA, and the credential's strength. Of a chain that is
refused for its kind of proxy, signatures or keys it says which of trust.accept
would let it in. Private keys in the file are not looked at.

With --config it judges as that service does; the other options go before. The
service also asks the policies: see "gatehouse policy test".

Exit code 0: accepted; 1: refused; 2: the file or a directory cannot be used.`,
		Example: `  gatehouse cert inspect /tmp/x509up_u1000
  gatehouse cert inspect --trust-dir certificates --voms-dir vomsdir proxy.pem
  gatehouse cert inspect -o json /tmp/x509up_u1000
  gatehouse cert inspect --config /etc/gatehouse/gatehouse.yaml --token token`,
		Args: func(cmd *cobra.Command, args []string) error {
			if i.token != "" {
				return exactly(0)(cmd, args)
			}
			return exactly(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if i.format != "text" && i.format != "json" {
				return unusable(fmt.Errorf("--output %q: want text or json", i.format))
			}
			if i.token != "" {
				return inspectToken(cmd.Context(), &i, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			if err := i.load(); err != nil {
				return unusable(err)
			}
			for flag, value := range map[string]func(){
				"trust-dir": func() { i.trust.Directory = conf.Path(trustDir) },
				"voms-dir":  func() { i.trust.VOMSDirectory = conf.Path(vomsDir) },
				"crl":       func() { i.trust.CRL = crl },
				"vo-ca-ap":  func() { i.trust.VOCAAP = conf.Path(policy) },
				"accept":    func() { i.trust.Accept = accept },
			} {
				if cmd.Flags().Changed(flag) {
					value()
				}
			}
			certs, err := readChain(args[0], cmd.InOrStdin())
			if err != nil {
				return unusable(err)
			}
			return i.run(cmd.Context(), certs, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.config, "config", "", "configuration of a service, to judge as it does")
	f.StringVarP(&i.format, "output", "o", "text", "text or json")
	f.StringVar(&i.token, "token", "", "look at the bearer token in this file instead; needs --config")
	f.StringVar(&trustDir, "trust-dir", "/etc/grid-security/certificates", "IGTF trust directory")
	f.StringVar(&vomsDir, "voms-dir", vomsDirectory, "VOMS directory, <vo>/<host>.lsc")
	f.StringVar(&crl, "crl", "require", "revocation lists: require, if-present or ignore")
	f.StringVar(&policy, "vo-ca-ap", "", "file that says which authentication profiles are accepted for whom")
	f.StringSliceVar(&accept, "accept", nil, "let in what is no longer safe: "+strings.Join(weak.All().Names(), ", "))
	f.StringArrayVar(&i.hosts, "host", nil, "our own host name, for attribute certificates that are aimed at hosts")
	return cmd
}

// load takes what the configuration says, or else the usual places.
func (i *inspection) load() error {
	if i.config == "" {
		i.trust = defaults().Trust
		if _, err := os.Stat(vomsDirectory); err == nil {
			i.trust.VOMSDirectory = vomsDirectory
		}
		return nil
	}
	c, _, err := loadConfig(i.config)
	if err != nil {
		return err
	}
	i.trust, i.strength = c.Trust, c.Strength
	if host, err := gsi.LoadHost(string(c.Host.Certificate), string(c.Host.Key), nil, nil); err == nil {
		i.hosts = append(i.hosts, host.Names()...)
	}
	return nil
}

const maxChainFile = 1 << 20

// readChain reads the certificates of a PEM file, in their order.
func readChain(path string, in io.Reader) ([]*x509.Certificate, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxChainFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxChainFile {
		return nil, fmt.Errorf("%s is larger than %d bytes: that is no chain of certificates", path, maxChainFile)
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w: a TLS server cannot read it either", path, len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return certs, nil
}

var errChainRefused = errors.New("refused")

// run prints the report; a refused chain is an error that the report explains.
func (i *inspection) run(ctx context.Context, certs []*x509.Certificate, out io.Writer) error {
	if err := i.trust.Check(); err != nil {
		return unusable(err)
	}
	now := time.Now()
	verifier, err := i.verifier(now)
	if err != nil {
		return unusable(err)
	}
	profiles, err := i.trust.openProfiles(nil)
	if err != nil {
		return unusable(err)
	}
	strength, err := pip.NewStrength(i.strength)
	if err != nil {
		return unusable(err)
	}
	r := &authz.Request{Credential: verifier.Verify(certs)}
	chain, _ := gsi.ChainOf(r.Credential)
	for _, e := range []authz.Enricher{pip.X509{}, pip.AuthnProfile{Current: profiles.Current}, strength} {
		if err := e.Enrich(ctx, r); err != nil {
			return err
		}
	}
	needs, err := i.needs(certs, now)
	if err != nil {
		return unusable(err)
	}
	refusal := r.Credential.Verdict()
	report := report{
		out: out, now: now, crl: i.trust.CRL, anchors: verifier.Trust().Current(), profiles: profiles.Current(), needs: needs,
	}
	if i.format == "json" {
		err = report.json(chain, r)
	} else {
		report.print(chain, r, refusal)
	}
	if err != nil {
		return err
	}
	if refusal != nil {
		return errChainRefused
	}
	return nil
}

func (i *inspection) verifier(now time.Time) (*gsi.Verifier, error) {
	authorities, err := i.trust.open(nil)
	if err != nil {
		return nil, err
	}
	var options []gsi.Option
	if i.trust.VOMSDirectory != "" {
		directory, err := voms.Open(voms.Options{Dir: string(i.trust.VOMSDirectory), Hosts: i.hosts, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		options = append(options, gsi.WithVOMS(directory, nil))
	}
	return gsi.NewVerifier(authorities, func() time.Time { return now }, options...), nil
}

// needs returns the switches without any of which the chain is refused, none if
// it is refused with all of them.
func (i *inspection) needs(certs []*x509.Certificate, now time.Time) (needs weak.Switches, err error) {
	passes := func(on weak.Switches) bool {
		as := i.trust
		as.Accept = on.Names()
		var authorities *trust.Store
		if authorities, err = as.open(nil); err != nil {
			return false
		}
		return gsi.NewVerifier(authorities, func() time.Time { return now }).Verify(certs).Verdict() == nil
	}
	if passes(0) || err != nil || !passes(weak.All()) {
		return 0, err
	}
	needs = weak.All()
	for one := weak.Switches(1); one < weak.All(); one <<= 1 {
		if passes(needs &^ one) {
			needs &^= one
		}
	}
	return needs, err
}

func strengthOf(r *authz.Request) string {
	v, ok := r.Verified(authz.Subject, profile.CredentialStrength)
	if !ok {
		return "none"
	}
	return v.Text()
}
