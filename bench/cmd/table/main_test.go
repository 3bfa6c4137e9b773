package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const output = `goos: linux
BenchmarkDecide/N=1000000/gatehouse/hot-2   100   800 ns/op   0 B/op
BenchmarkDecide/N=10/gatehouse/hot-2   100   300 ns/op   0 B/op
BenchmarkDecide/N=10/gatehouse/hot-2   100   500 ns/op   0 B/op
BenchmarkDecide/N=10/gatehouse/hot-2   100   400 ns/op   0 B/op
BenchmarkDecide/N=10/opa/hot-2         100   20000 ns/op   9 B/op
BenchmarkWire/xml-2   100   9000 ns/op   110000 requests/s
BenchmarkWire/xml-2   100   8000 ns/op   120000 requests/s
PASS
`

func TestTable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(&out, strings.NewReader(output), "gatehouse", "ns/op", nil))
	require.Equal(t, `**Decide, hot** (ns/op: median, least..most, ratio to gatehouse)

| | N=10 | N=1,000,000 |
|---|---|---|
| gatehouse | 400 (300..500) | 800 (800..800) |
| opa | 20k (20k..20k) ×50 | not run |

| | k | median (least..most) |
|---|---|---|
| Wire/xml | 2 | 8500 (8000..9000) ns/op, 115k (110k..120k) requests/s |
`, out.String())
}

func TestNothingMeasured(t *testing.T) {
	require.ErrorContains(t, run(&strings.Builder{}, strings.NewReader("PASS\n"), "gatehouse", "ns/op", nil), "no benchmark results")
	require.ErrorContains(t, run(&strings.Builder{}, strings.NewReader("BenchmarkX-2 1 nine ns/op\n"), "gatehouse", "ns/op", nil), "nine")
}
