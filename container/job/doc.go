// Package job keeps jobs: what was asked and granted, where each stands, and
// how it ended. It never decides who may do what.
//
// A job passes through these states, some of which it may skip:
//
//		registered → submitted → running → done | failed | cancelled | stopped
//
//	  - registered: the record is on stable storage; only then is the session id
//	    given out, so an id that somebody knows is never forgotten by a crash.
//	  - submitted: the back end has recorded the job and will run it once.
//	  - running: the back end says that it has begun.
//	  - done: it ended by itself with status 0; failed: with another one, or it
//	    could not be started, or its end cannot be known; cancelled: on
//	    somebody's order; stopped: it exceeded a limit that it was granted.
//
// A crash at any point loses no job and runs none twice. Before a job is handed
// over for the first time its record says that it was claimed; after a restart,
// a job that was claimed and not known to be submitted is handed over again,
// which batch.Submitter makes harmless. No answer of the back end is never
// taken for an answer: the job stays where it is and is asked about again. A
// back end that accepted a job and later says that it has none is not given it
// again: the job failed, its end unknown.
//
// Cancelling is recorded first and carried out until the back end has done it.
// Purging removes the sandbox, then the back end's record, then ours.
//
// The session id is 128 bits from crypto/rand in 32 hexadecimal digits. Whoever
// knows that of an anonymous job owns it, so ids stand in no log and no audit
// record: these name a job by [Tag].
//
// # Records
//
// Everything is quiet updates of internal/store, in four namespaces: "job"
// (id → JSON), "job-active" (ids that something is still to be done for),
// "job-owner" (hash of the owner's key, "/", id), "job-ended" (time, "/", id)
// and "job-key" (hash of the owner's key and request key → id).
package job
