package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/pap/api"
)

const usualTrust = "/etc/grid-security/certificates"

// connect connects with the caller's credential and bounds the whole command in
// time. A change waits as long as asked.
func (a *app) connect(cmd *cobra.Command) (context.Context, *api.Client, context.CancelFunc, error) {
	a.asked = true
	c, err := a.dial()
	if err != nil {
		return nil, nil, nil, &coded{exitInit, err}
	}
	a.close = c.Close
	if a.wait >= 0 {
		c = c.Waiting(a.wait)
	}
	ctx, stop := context.WithTimeout(cmd.Context(), a.timeout)
	return ctx, c, stop, nil
}

func (a *app) dial() (*api.Client, error) {
	if a.socket != "" {
		return api.NewSocketClient(a.socket), nil
	}
	authorities, err := trust.Open(trust.Options{Dir: first(a.trust, a.env("X509_CERT_DIR"), usualTrust), CRLs: trust.IfPresent})
	if err != nil {
		return nil, fmt.Errorf("trusted CAs: %w (name their directory with --trust or X509_CERT_DIR)", err)
	}
	verifier := gsi.NewVerifier(authorities, time.Now)
	if a.token != "" {
		return a.dialWithToken(verifier)
	}
	cert, key, err := a.credential()
	if err != nil {
		return nil, err
	}
	own, err := gsi.LoadHost(cert, key, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("your credential: %w", err)
	}
	if end := own.NotAfter(); time.Now().After(end) {
		return nil, fmt.Errorf("your credential %s ended at %s: make a new one", cert, end.Format(time.RFC3339))
	}
	return api.NewClient(&http.Client{Transport: over(verifier.ClientTLS(own))}, a.addresses()...)
}

// dialWithToken shows no certificate: a token beside one would need a person who
// has both.
func (a *app) dialWithToken(verifier *gsi.Verifier) (*api.Client, error) {
	if a.cert+a.key+a.proxy != "" {
		return nil, fmt.Errorf("--token goes without --cert, --key and --proxy")
	}
	read := conf.Secret(a.token).Read
	if _, err := read(); err != nil {
		return nil, fmt.Errorf("your token: %w", err)
	}
	return api.NewClient(&http.Client{Transport: api.WithToken(over(verifier.ClientTLS(nil)), read)}, a.addresses()...)
}

func over(config *tls.Config) *http.Transport {
	return &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: 15 * time.Second, ForceAttemptHTTP2: true}
}

// addresses are those of --url, or else of --host and --port, or else of
// Argus's pap-admin.properties, or else of this machine.
func (a *app) addresses() []string {
	if url := first(a.url, a.env("PAP_ADMIN_URL")); url != "" {
		return strings.Split(url, ",")
	}
	host, port := a.host, strconv.Itoa(a.port)
	if host == "" {
		set := properties(filepath.Join(first(a.env("PAP_HOME"), "/etc/argus/pap"), "conf/pap-admin/pap-admin.properties"))
		if set["host"] == "" {
			set = properties(filepath.Join(first(a.env("PAP_HOME"), "/etc/argus/pap"), "pap-admin.properties"))
		}
		host = first(set["host"], "localhost")
		if set["port"] != "" && a.port == 8150 {
			port = set["port"]
		}
	}
	return []string{"https://" + host + ":" + port}
}

// properties reads "key=value" lines; a file that cannot be read is empty.
func properties(path string) map[string]string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			set[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return set
}

// credential finds the files of certificate and key, in Argus's order: options,
// then for root the host's certificate, for others proxy before certificate,
// environment before the usual places.
func (a *app) credential() (cert, key string, err error) {
	switch {
	case a.cert != "" || a.key != "":
		if a.cert == "" || a.key == "" {
			return "", "", fmt.Errorf("--cert and --key go together")
		}
		return a.cert, a.key, nil
	case a.proxy != "":
		return a.proxy, a.proxy, nil
	}
	var tried []string
	for _, pair := range a.places() {
		if pair[0] == "" || pair[1] == "" {
			continue
		}
		if _, err := os.Stat(pair[0]); err == nil {
			return pair[0], pair[1], nil
		}
		tried = append(tried, pair[0])
	}
	return "", "", fmt.Errorf("no credential found (tried %s): make a proxy, or name one with --proxy, or --cert and --key", strings.Join(tried, ", "))
}

func (a *app) places() [][2]string {
	uid := os.Geteuid()
	named := [2]string{a.env("X509_USER_CERT"), a.env("X509_USER_KEY")}
	proxy := a.env("X509_USER_PROXY")
	if uid == 0 {
		const host = "/etc/grid-security/host"
		return [][2]string{named, {host + "cert.pem", host + "key.pem"}, {proxy, proxy}}
	}
	usual := fmt.Sprintf("/tmp/x509up_u%d", uid)
	home := filepath.Join(a.env("HOME"), ".globus")
	return [][2]string{{proxy, proxy}, named, {usual, usual}, {filepath.Join(home, "usercert.pem"), filepath.Join(home, "userkey.pem")}}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
