// Package fork is the back end that runs jobs on this machine, through a
// launch.Launcher: the gatehouse-launch service, or a launch.Gate in this
// process.
//
// For every step it asks its launch.Granter for a grant, which is good for a
// minute and for that step only. A job whose launcher did not answer can be
// submitted again for ever: the launcher starts it once.
package fork
