// Package wire is what the host and the SDK share: the handshake, the kinds of
// plug-ins as go-plugin knows them, and the passage of attributes to and from
// plugins/proto/v1.
package wire
