package pdp_test

// The cases whose oracles we do not agree with.

var disputedTwo = map[string]dispute{}

var disputedThree = map[string]dispute{}
