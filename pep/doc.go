// Package pep enforces decisions: it asks, and lets nothing in that was not
// permitted, recorded and fulfilled.
//
// An [Enforcer] takes a request through enrich, decide, fulfil and record:
//
//	enforcer := &pep.Enforcer{Decider: engine, Enrichers: pips, Fulfillers: handlers, Recorder: log}
//	outcome := enforcer.Enforce(ctx, request)
//	if !outcome.Permit {
//		return fault(outcome.Message())
//	}
//	start(job, outcome.Effects.Account, outcome.Effects.CPUTime)
//
// Everything uncertain is a refusal: an error, a panic, a time-out, an
// obligation that nobody understands or whose fulfiller reports no effect, a
// credential that does not stand, an audit record that could not be written,
// a Decider that was never given.
//
// The package knows neither policies nor wires nor certificates. Several
// Deciders are joined by [Failover] or [DenyOverrides], never otherwise.
package pep
