// Package audit writes the audit trail: one JSON object per line and per
// record, in the order of the answers, each written before the answer is
// given. Control characters are escaped, so no name or message can forge a
// line. The fields are those of authz.Record.
//
//   - A record of a change is synced to disk before Record returns; the others
//     are with the kernel.
//   - Repeated refusals of one peer are folded: the first is written, equal
//     ones are counted, and after a window the last is written with the count.
//     A peer that refuses to run out of new kinds of refusal is folded, too.
//   - When the file cannot be written, a record of a permit is an error, and
//     whoever was about to permit refuses. All others (refusals, bans and other
//     changes, jobs) go to the reserve, a file beside it whose blocks were
//     allocated when the disk was not yet full, and are moved to the trail when
//     it can be written again.
//   - The file may be renamed at any time: the log opens a new one within a
//     second, or at once on [Log.Reopen].
//   - The last records stay in memory: see [Log.Recent].
package audit
