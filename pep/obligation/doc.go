// Package obligation carries out the obligations of a permit that concern
// whoever runs a job: under which account, within which limits. It reports the
// effects to the pep.Enforcer and never picks an account itself: a Mapper
// does, or the policy by name.
package obligation
