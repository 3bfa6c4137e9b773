// Package warden starts jobs under another uid, watches over them and writes
// down how they ended. It is what stands behind the gate of container/launch:
// it trusts the grant it is given and nobody else, least of all the job.
//
// # Processes
//
// Each job has a supervisor of its own, a re-execution of this program that
// survives the launcher and the container. It forks the stage, another
// re-execution that is already the job's user in a session of its own; the
// stage shuts every door behind it and becomes the job:
//
//	launcher ── supervisor (root) ── stage → job (account) ── …
//
// A program that starts jobs calls [Stage] first thing in main.
//
// # Records
//
// In <state>/jobs/<id>, which only root can read, each written whole (written
// beside, synced, renamed, directory synced):
//
//	lock     held (flock) by whoever may start the job: the launcher takes it and
//	         the supervisor inherits it and keeps it until it ends. The kernel
//	         frees it when the last holder dies; no pid file, nothing to go stale
//	claim    what was ordered, for which account, under which grant
//	begun    pid and start time of the stage, boot id, deadline. Written while the
//	         stage still waits on a pipe; only then is it told to become the job
//	cancel   somebody wants it ended
//	exit     how it ended
//
// # What a crash leaves
//
// A restart of any part loses no job and runs none twice, because at every
// moment the records say which it is:
//
//	lock   claim  begun  exit    state
//	–      no     –      –       never heard of it (or the claim was never acknowledged): submit again
//	free   yes    no     no      claimed. The job has not run: the stage runs nothing before begun is on the disk,
//	                             and gives up when its supervisor dies. Only a new Start with a new grant starts it
//	held   yes    no     no      starting
//	held   yes    yes    no      running
//	free   yes    yes    no      the supervisor was killed. The next look takes the lock: if the job's
//	                             processes are still there, a new supervisor adopts them (limits go on; the exit
//	                             status is lost with the parent), else exit is written with cause lost
//	any    yes    any    yes     ended
//
// A process is named by pid and start time (field 22 of /proc/<pid>/stat) and
// signalled through a pidfd opened before the comparison, so a recycled pid is
// never touched. A record of another boot names no process at all.
//
// # Limits
//
// The CPU limit counts every process of the job. Where the launcher can make
// a control group (v2: cpu.stat and cgroup.kill, no controller needed; else v1
// cpuacct) it is exact and nothing escapes. Otherwise the supervisor, being a
// child subreaper, finds all descendants in /proc and adds up what the dead
// used: double forks and setsid do not help, but children that their parent
// leaves unreaped by ignoring SIGCHLD are counted only while they live. Each
// process has RLIMIT_CPU besides, and the job its wall limit.
//
// When the first process ends, the job has ended: whatever it left running is
// killed.
//
// # Without root
//
// With [Config.AsSelf] jobs run as the invoking user, or as uid and gid 65534
// without groups when that user is root. The granted account is recorded and
// shown, but not used. This gives up the separation of accounts; it is for the
// demo and for tests, and whoever offers it must make people ask for it.
package warden
