// Package daemon holds what every long-running process needs and no role knows:
// components that start in order, say when they are ready and stop gracefully;
// HTTP servers with limits; sockets, those of systemd and unix ones with the
// caller's identity included; and the loopback listener for health, status and
// metrics.
//
//	sockets, err := daemon.Inherit()
//	health := daemon.NewHealth("gatehouse", version, time.Now)
//	group := daemon.Group{Log: log, Health: health, Notify: daemon.Systemd}
//	group.Add(daemon.Component{Name: "pap", Run: pap.Run})
//	group.Add(daemon.HTTP{Name: "pap-api", Listener: l, TLS: tls, Handler: h}.Component())
//	ctx, stop := daemon.UntilSignal(context.Background())
//	defer stop()
//	return group.Run(ctx)
//
// Nothing here listens beyond what its caller names, reads configuration or
// ends the process.
package daemon
