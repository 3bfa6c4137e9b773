// Package bench measures Gatehouse beside its peers and the floor, in one run
// and on one workload, so that only medians and ratios need be believed:
//
//	cd bench && go test -run '^$' -bench . -benchtime 1s -count 6 .
//
// The workload is a grid's (see workload.go): N bans, a tenth as many permits,
// requests of which one in ten is banned. What each benchmark measures, and
// what it leaves out, stands in its comment; docs/performance.md has the
// figures with the machine they were taken on.
package bench
