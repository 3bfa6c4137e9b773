// Package batch is the contract between the job service and whatever runs
// jobs: the fork back end (container/batch/fork), a batch system, a plug-in.
//
// Two rules matter more than the rest, because systems that broke them lost
// their users' work:
//
//   - No answer is an error, never a state. A [Submitter] that could not ask
//     returns [ErrAway]; only an answer that says so makes a job [Absent].
//   - A job id is run at most once. Submit may be repeated with the same job
//     for ever, after any failure on either side, and changes nothing once the
//     job has begun.
//
// batchtest holds the suite that every Submitter passes.
package batch
