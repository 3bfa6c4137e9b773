// Command bad is a plug-in that misbehaves in the way its first argument names.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins/internal/wire"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
	"github.com/gatehouse-authz/gatehouse/plugins/sdk"
)

const group = "https://gatehouse-authz.github.io/xacml/attribute/group"

func main() {
	mode := os.Args[1]
	switch mode {
	case "exits":
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(3)
	case "sleeps":
		time.Sleep(time.Hour)
	case "babbles":
		for {
			fmt.Print(strings.Repeat("x", 4096))
		}
	case "elsewhere":
		fmt.Println("1|1|unix|/run/somebody-else.sock|grpc|")
		time.Sleep(time.Hour)
	case "over-tcp":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|")
		time.Sleep(time.Hour)
	case "no-kind":
		sdk.Serve(sdk.Plugin{Name: "bad"})
	case "without-tls":
		_ = os.Unsetenv("PLUGIN_CLIENT_CERT")
		serve(raw{})
	case "other-call", "foreign-type", "foreign-category", "bad-value", "empty", "blank-id", "many", "values", "long", "huge", "echo":
		serve(raw{mode: mode})
	default:
		sdk.Serve(sdk.Plugin{Name: "bad", Version: "1", Enricher: bad(mode)})
	}
}

// bad misbehaves in the enricher; it is well when the request has no "go"
// attribute.
type bad string

func (b bad) Enrich(ctx context.Context, r *authz.Request) error {
	if _, ok := r.Verified(authz.Environment, "go"); !ok {
		add(r, "calm")
		return nil
	}
	switch b {
	case "crashes":
		os.Exit(1)
	case "panics":
		panic("at the disco")
	case "hangs":
		time.Sleep(time.Hour)
	case "refuses":
		return errors.New("the directory is away\nlevel=ERROR forged=line")
	case "removes":
		r.Attributes = r.Attributes[:0]
	case "weakens":
		for i := range r.Attributes {
			r.Attributes[i].Standing, r.Attributes[i].Values = authz.Presented, nil
		}
	case "eats":
		var all [][]byte
		for range 8 << 10 {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		fmt.Fprintln(os.Stderr, len(all))
	case "floods-stdout":
		for ctx.Err() == nil {
			fmt.Println(strings.Repeat("flood ", 1000))
		}
		time.Sleep(time.Hour)
	case "forks":
		return fork(r)
	case "asserts":
		add(r, "admins")
		r.Attributes = append(r.Attributes, authz.Attribute{
			Category: authz.Subject, ID: group, Issuer: "/CN=the real issuer",
			Values: []authz.Value{authz.StringValue("root")}, Standing: authz.Verified,
		})
	case "environment":
		for _, e := range os.Environ() {
			name, _, _ := strings.Cut(e, "=")
			add(r, name)
		}
	}
	return nil
}

// fork leaves a child behind that holds the pipes, then ends.
func fork(r *authz.Request) error {
	child := exec.Command("/bin/sleep", "3600")
	child.Stdout, child.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
	if err := child.Start(); err != nil {
		return err
	}
	pid, _ := r.Verified(authz.Environment, "go")
	if err := os.WriteFile(pid.Text(), fmt.Appendf(nil, "%d", child.Process.Pid), 0o600); err != nil {
		return err
	}
	os.Exit(1)
	return nil
}

func add(r *authz.Request, name string) { r.Add(authz.Subject, group, authz.StringValue(name)) }

// raw speaks the wire itself, as a plug-in in another language might.
type raw struct {
	v1.UnimplementedPluginServer
	v1.UnimplementedEnricherServer
	mode string
}

func serve(r raw) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake(), GRPCServer: plugin.DefaultGRPCServer,
		Plugins: wire.Set(wire.Servers{Plugin: r, Enricher: r}),
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
	})
}

func (raw) Info(context.Context, *v1.InfoRequest) (*v1.InfoReply, error) {
	return &v1.InfoReply{Name: "raw", Kinds: []string{"enricher"}}, nil
}

func (r raw) Enrich(_ context.Context, in *v1.EnrichRequest) (*v1.EnrichReply, error) {
	a := &v1.Attribute{
		Category: string(authz.Subject), Id: group, Standing: v1.Standing_STANDING_VERIFIED,
		Values: []*v1.Value{{Type: string(authz.String), Text: "users"}},
	}
	out := &v1.EnrichReply{Call: in.GetCall(), Added: []*v1.Attribute{a}}
	switch r.mode {
	case "other-call":
		out.Call = "ANOTHERREQUESTSCALL"
	case "foreign-type":
		a.Values[0].Type = "urn:example:unheard-of"
	case "foreign-category":
		a.Category = "urn:example:category"
	case "bad-value":
		a.Values[0] = &v1.Value{Type: string(authz.Integer), Text: "many"}
	case "empty":
		a.Values = nil
	case "blank-id":
		a.Id = "a\nlevel=ERROR"
	case "many":
		for range 64 {
			out.Added = append(out.Added, a)
		}
	case "values":
		for range 1024 {
			a.Values = append(a.Values, a.Values[0])
		}
	case "long":
		a.Values[0].Text = strings.Repeat("x", 16<<10+1)
	case "huge":
		a.Values[0].Text = strings.Repeat("x", 2<<20)
	}
	return out, nil
}
