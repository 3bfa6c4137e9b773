package policies

import _ "embed" // for the policies beside this file

var (
	//go:embed default.spl
	defaultText string
	//go:embed sample.spl
	sampleText string
)

// Default returns the policy that a new administration point starts with, in
// SPL 2: default.spl.
func Default() string { return defaultText }

// Sample returns a commented tour of SPL 2: sample.spl.
func Sample() string { return sampleText }
