package authz

import "hash/maphash"

// seed is nobody's to know: whoever could compute hashes could choose names
// that share one.
var seed = maphash.MakeSeed()

// lengthBits of a hash tell the length of what was hashed.
const lengthBits = 6

// Hash returns the hash of a comparison key, as [Value.Hash], [DN.BanHash] and
// [FQAN.GroupHash] give that of theirs. It holds within one process. Equal
// hashes prove nothing: who decides compares the keys.
//
// Its lowest six bits are the length of the key in bytes, modulo 64, so that
// whoever has keys of few lengths need not look for others.
func Hash(key string) uint64 {
	return maphash.String(seed, key)>>lengthBits<<lengthBits | uint64(len(key)%(1<<lengthBits))
}
