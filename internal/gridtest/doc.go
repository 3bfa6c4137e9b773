// Package gridtest makes a throw-away grid: certification authorities with
// CRLs and signing policies, user and host certificates, RFC 3820 proxies, and
// faulty ones of every kind on demand. Tests use it, and `gatehouse demo`.
//
// Keys are ECDSA P-256 unless asked otherwise, so that a whole grid takes
// milliseconds. Nothing here is fit to protect anything: keys are unencrypted
// and the certificates live for a day.
//
//	grid, err := gridtest.New()
//	ann, err := grid.Strong.User("Ann Other")
//	proxy, err := ann.Proxy(gridtest.ProxySpec{})
//	err = grid.WriteTrust(dir)
//	config := proxy.ClientTLS(grid.Pool())
package gridtest
