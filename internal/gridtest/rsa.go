package gridtest

import (
	"crypto/rsa"
	"fmt"
	"math/big"
)

// Primes near 3·2^(bits-2) + i·2^(bits-24): what must be added for each i.
// Finding a prime of 2048 bits takes seconds, and sometimes many.
var primes = map[int][]int64{
	512:  {761, 1713, 443, 7},
	1024: {1037, 1011, 69, 929, 45, 261, 721, 75, 339, 335, 849, 2055, 1607, 829, 267, 247},
	2048: {439, 3963},
}

// RSAKey returns the n-th RSA key of that size, in no time: its primes are
// known to everybody. There are two of 1024 bits, eight of 2048 and one of
// 4096, counted from 0.
func RSAKey(bits, n int) (*rsa.PrivateKey, error) {
	known := primes[bits/2]
	if n < 0 || 2*n+1 >= len(known) {
		return nil, fmt.Errorf("no RSA key number %d of %d bits", n, bits)
	}
	p, q := prime(bits/2, 2*n, known), prime(bits/2, 2*n+1, known)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	const e = 65537
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e},
		D:         new(big.Int).ModInverse(big.NewInt(e), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key, key.Validate()
}

func prime(bits, i int, known []int64) *big.Int {
	const below = 2
	p := new(big.Int).Lsh(big.NewInt(3), uint(bits-below))
	p.Add(p, new(big.Int).Lsh(big.NewInt(int64(i)), uint(bits-24)))
	return p.Add(p, big.NewInt(known[i]))
}
