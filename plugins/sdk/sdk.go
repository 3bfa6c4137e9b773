// Package sdk is what the author of a Gatehouse plug-in imports. A plug-in is a
// program of its own that offers one of Gatehouse's contracts, here an
// authz.Enricher:
//
//	func main() {
//		sdk.Serve(sdk.Plugin{Name: "groupfile", Version: "1.0", Enricher: groups})
//	}
//
// Gatehouse starts the program, named in its configuration by path and SHA-256,
// and calls it over gRPC on a unix socket with mutual TLS of its own. Four
// things to know:
//
//   - An enricher appends to r.Attributes and does nothing else to the request:
//     Gatehouse takes what was appended.
//   - Look at the Standing of what you read. Conclude from Presented attributes
//     only what is itself Presented; [authz.Request.Verified] reads the others.
//     Gatehouse believes Verified only for the attributes that its
//     configuration lets this plug-in assert.
//   - Return an error when you cannot know: the request is refused. The error
//     is for administrators; it goes to the log.
//   - The program has no environment, no standard input, limited memory, and
//     must answer many requests at once, each within its context's deadline.
//     Write diagnostics to standard error, a line each; a flood ends it.
package sdk

import (
	"context"
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins/internal/wire"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// Plugin is what a program serves.
type Plugin struct {
	Name    string // for logs
	Version string
	// Enricher is called for every request, from many goroutines at once. The
	// request holds the attributes, the decision id and the peer; no content
	// and no credential.
	Enricher authz.Enricher
}

// Serve serves p until Gatehouse ends the program. Run by hand, the program
// says that it is a plug-in and exits with status 1.
func Serve(p Plugin) {
	servers := wire.Servers{Plugin: &information{plugin: p}}
	if p.Enricher != nil {
		servers.Enricher = &enricher{enricher: p.Enricher}
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake(),
		Plugins:         wire.Set(servers),
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
	})
}

type information struct {
	v1.UnimplementedPluginServer
	plugin Plugin
}

func (i *information) Info(context.Context, *v1.InfoRequest) (*v1.InfoReply, error) {
	reply := &v1.InfoReply{Name: i.plugin.Name, Version: i.plugin.Version}
	if i.plugin.Enricher != nil {
		reply.Kinds = append(reply.Kinds, wire.KindEnricher)
	}
	return reply, nil
}

type enricher struct {
	v1.UnimplementedEnricherServer
	enricher authz.Enricher
}

func (e *enricher) Enrich(ctx context.Context, in *v1.EnrichRequest) (out *v1.EnrichReply, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			out, err = nil, status.Error(codes.Internal, fmt.Sprintf("panic: %v", cause))
		}
	}()
	attributes, err := wire.Parse(in.GetAttributes())
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	r := &authz.Request{ID: in.GetDecision(), Peer: in.GetPeer(), Attributes: attributes}
	if err := e.enricher.Enrich(ctx, r); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	if len(r.Attributes) < len(attributes) {
		return nil, status.Error(codes.Internal, "the enricher removed attributes; it may only add")
	}
	return &v1.EnrichReply{Call: in.GetCall(), Added: wire.Attributes(r.Attributes[len(attributes):])}, nil
}
