package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// KindEnricher is the kind of a plug-in that is an authz.Enricher.
const KindEnricher = "enricher"

// MaxMessage bounds a message in either direction, in bytes.
const MaxMessage = 1 << 20

// Handshake is what a plug-in's author in any language must match. The cookie
// is no secret: it only tells a person who runs a plug-in by hand what it is.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GATEHOUSE_PLUGIN", MagicCookieValue: "1"}
}

// Client is the host's end of a running plug-in.
type Client struct {
	v1.PluginClient
	v1.EnricherClient
}

// Servers is the plug-in's end; Enricher is nil if it serves none.
type Servers struct {
	Plugin   v1.PluginServer
	Enricher v1.EnricherServer
}

// Name is under which go-plugin serves and dispenses the one thing there is.
const Name = "gatehouse"

// Set returns what go-plugin serves or, with zero Servers, dispenses: a *Client.
func Set(s Servers) plugin.PluginSet { return plugin.PluginSet{Name: &bridge{servers: s}} }

type bridge struct {
	plugin.NetRPCUnsupportedPlugin
	servers Servers
}

var _ plugin.GRPCPlugin = (*bridge)(nil)

// GRPCServer registers the services in the plug-in.
func (b *bridge) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if b.servers.Plugin == nil {
		return errors.New("the plug-in serves nothing")
	}
	v1.RegisterPluginServer(s, b.servers.Plugin)
	if b.servers.Enricher != nil {
		v1.RegisterEnricherServer(s, b.servers.Enricher)
	}
	return nil
}

// GRPCClient makes the host's end.
func (b *bridge) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return &Client{PluginClient: v1.NewPluginClient(c), EnricherClient: v1.NewEnricherClient(c)}, nil
}
