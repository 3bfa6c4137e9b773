// Package pdp is the decision point: an [Engine] holds the policies in force in
// compiled form and answers requests from them.
//
// The engine is fed by updates. [Engine.Apply] puts one in force beside the
// running state and swaps it in atomically, so that readers never wait;
// [Engine.Check] only tries whether one could be; [Engine.Follow] asks a
// [Source] for one after the other. The answers are those of XACML 3.0 with the
// additions that package pdp/internal/eval documents: verified and presented
// attributes, rules with a time window, bans.
//
// An engine refuses whenever in doubt. Without policies, without a confirmation
// that its policies are still those of its source for longer than
// Options.MaxStale, or after a panic, it answers Indeterminate and says why.
//
// Languages other than the neutral tree of package policies come in through
// [Language]; the engine knows none by itself.
package pdp
