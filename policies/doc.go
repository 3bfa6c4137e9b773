// Package policies says what a policy is: one neutral tree, shaped like
// XACML 3.0 (a superset of 2.0), into which every language is read and from
// which the evaluator is compiled. It knows no syntax and evaluates nothing.
//
// A [Snapshot] is the whole of the policies at one revision: a root
// [PolicySet] and a library of policies that others refer to. An [Update]
// takes a follower from one revision to the next, either with a new base or
// with a few [Edit]s; each edit names the list it changes, the item and its
// place, so that one ban among a million is one small edit.
//
// Lists of rules and of policies are persistent ([List]): an edit copies one
// chunk and shares the rest with the snapshot before it. The order of a list
// is the order of its items' places (see [Between]), never their position in
// some array, so an edit means the same to every follower.
//
// The tree is immutable once it is in a Snapshot: build, then share.
//
// The shape of the root is fixed (DESIGN, DECISIONS 10): first-applicable over
// the policy "bans" (deny-overrides over the bans of every enabled PAP), then
// one policy set per enabled PAP in their order.
package policies
