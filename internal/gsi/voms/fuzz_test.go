package voms_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// FuzzRead: whatever the bytes, reading ends, within the bounds, and nothing
// counts but what the server signed.
func FuzzRead(f *testing.F) {
	grid, err := gridtest.New()
	require.NoError(f, err)
	trustDir, vomsDir := f.TempDir(), f.TempDir()
	require.NoError(f, grid.WriteTrust(trustDir))
	authorities, err := trust.Open(trust.Options{Dir: trustDir})
	require.NoError(f, err)
	server, err := grid.Strong.VOMS("testvo", "voms.example.org")
	require.NoError(f, err)
	require.NoError(f, server.WriteLSC(vomsDir))
	directory, err := voms.Open(voms.Options{Dir: vomsDir})
	require.NoError(f, err)
	ann, err := grid.Strong.User("Ann Other")
	require.NoError(f, err)
	signed := map[string]bool{}
	for _, s := range []gridtest.ACSpec{{}, {OldForm: true}, {Hosts: []string{"ce.example.org"}}, {FQANs: []string{"/testvo/Role=pilot", "/testvo"}}} {
		ac, err := server.Certify(ann, s)
		require.NoError(f, err)
		signed[string(ac)] = true
		f.Add(gridtest.ACExtension(ac).Value)
		f.Add(gridtest.ACExtension(ac, ac).Value)
	}
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, extension []byte) {
		all := voms.Read(extension)
		require.NotEmpty(t, all)
		require.LessOrEqual(t, len(all), voms.MaxCertificates)
		for _, c := range all {
			require.LessOrEqual(t, len(c.FQANs), voms.MaxFQANs)
			grant, err := directory.Current().Verify(c, ann.Cert(), authorities.Current(), time.Now())
			if err == nil {
				require.True(t, signed[string(c.Raw)], "forged: %v", grant)
			}
		}
	})
}
