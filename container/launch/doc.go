// Package launch is the agreement between three parties that must not trust
// each other: the mapping side, which knows the key; the container, which
// reads the network and holds no privilege; and gatehouse-launch, which is
// root and does nothing that was not granted.
//
// An [Order] says what is to be done, to the last argument. A [Grant] says
// that it may be done: it names the order by the SHA-256 of its canonical
// encoding, the job, the account with its groups, the policy revision and an
// expiry of at most [MaxLife]. [Signer] turns a grant into a [Signed] with
// Ed25519 (RFC 8032); [Gate] lets an order pass only with a grant that is
// genuine, for this launcher, for this order, in time and never seen before,
// and hands it to a [Runner] (container/launch/warden).
//
//	container                  mapping side            gatehouse-launch
//	   │  Wish{Order, Account…}     │                        │
//	   ├───────────────────────────►│ Signer                 │
//	   │◄───────────── Signed ──────┤                        │
//	   │  Signed, Order             │                        │
//	   ├────────────────────────────┼───────────────────────►│ Server → Gate → Runner
//	   │◄──────────── Result, file descriptor ───────────────┤
//
// # Canonical encoding
//
// A field is its length in four bytes, big endian, and its bytes; a list is
// its count and its items; a number is eight bytes, big endian; a time is
// nanoseconds since 1970. Fields follow in the order of the struct, after a
// line that names kind and version. There is one encoding per value, and
// [ParseGrant] refuses every other. A Signed is that encoding and the 64 bytes
// of the signature over it.
//
// # Replays
//
// A grant works once. The gate appends its id to a file before the order is
// carried out, so a launcher that is killed remembers. After a reboot, or when
// that file is not whole, every grant issued before the start is refused: the
// container asks for a new one. An id is forgotten only together with the
// promise never again to accept a grant that expires at or before that time,
// so a clock that is set back reopens nothing.
//
// # The wire
//
// One request per connection on a unix stream socket: a frame each way, a
// frame being its length in four bytes, big endian, and JSON without duplicate
// or unknown keys, at most [MaxFrame]. The answer to a read carries the open
// file as SCM_RIGHTS. The server looks at SO_PEERCRED first and closes
// without a word when the peer's uid is not on its list. The mapping side
// answers wishes over the same wire on a socket of its own.
//
// [Launcher.Status], [Launcher.Jobs] and [Launcher.Reap] touch only the
// launcher's own records and need no grant.
package launch
