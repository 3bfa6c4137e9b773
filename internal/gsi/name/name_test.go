package name_test

import (
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
)

// One text is one name whatever the encoding of its strings (threats 47).
func TestEncodingsAreOneName(t *testing.T) {
	want, err := authz.ParseDN("/DC=test/O=a\\/b/CN=Jérôme+UID=j")
	require.NoError(t, err)
	for _, tag := range []int{0, asn1.TagUTF8String, asn1.TagBMPString, asn1.TagT61String} {
		der, err := gridtest.EncodeName(want, tag)
		require.NoError(t, err)
		got, err := name.Decode(der)
		require.NoError(t, err)
		require.True(t, want.Equal(got), "%q %q", want.Key(), got.Key())
	}
}

// ⚿ A value that looks like several parts of a name is one value (threats 24, 45).
func TestValueIsNeverCut(t *testing.T) {
	d, err := authz.NewDN([]authz.RDN{{{Type: "2.5.4.10", Value: "x"}}, {{Type: "2.5.4.3", Value: "mallory/CN=ann\x00\n"}}})
	require.NoError(t, err)
	der, err := gridtest.EncodeName(d, 0)
	require.NoError(t, err)
	got, err := name.Decode(der)
	require.NoError(t, err)
	require.Len(t, got.RDNs(), 2)
	require.NotContains(t, name.Text(der), "\n")
	ann, err := authz.ParseDN("/O=x/CN=mallory/CN=ann")
	require.NoError(t, err)
	require.False(t, ann.Equal(got))
}

func TestBadNames(t *testing.T) {
	for _, der := range [][]byte{nil, {0x30, 0}, {0x30, 2, 0x31, 0}, {0x31, 0}, {0x30, 0x80}, []byte("\x30\x03\x31\x01\x00")} {
		_, err := name.Decode(der)
		require.Error(t, err, "%x", der)
		require.NotEmpty(t, name.Text(der))
	}
}

func FuzzDecode(f *testing.F) {
	d, _ := authz.ParseDN("/DC=test/CN=Jérôme+UID=j")
	for _, tag := range []int{0, asn1.TagBMPString} {
		der, _ := gridtest.EncodeName(d, tag)
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if d, err := name.Decode(der); err == nil {
			require.NotEmpty(t, d.Key())
		}
		_ = name.Text(der)
	})
}

// The table of common types says what a reader of identifiers would.
func TestCommonTypes(t *testing.T) {
	for der, dotted := range name.Common() {
		var oid asn1.ObjectIdentifier
		rest, err := asn1.Unmarshal([]byte(der), &oid)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, oid.String(), dotted)
	}
}
