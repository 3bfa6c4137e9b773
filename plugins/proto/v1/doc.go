// Package v1 is the wire between Gatehouse and its plug-ins, generated from
// plugin.proto, which is also the reference for authors in other languages.
// Authors in Go import plugins/sdk and never see it.
package v1

//go:generate protoc --proto_path=../../.. --go_out=../../.. --go_opt=paths=source_relative --go-grpc_out=../../.. --go-grpc_opt=paths=source_relative plugins/proto/v1/plugin.proto
