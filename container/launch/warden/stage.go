package warden

import (
	"os"
)

// The names under which this program is executed again. They show in ps(1).
const (
	nameSupervisor = "gatehouse-supervisor"
	nameAdopter    = "gatehouse-adopter"
	nameStage      = "gatehouse-stage"
)

// Stage must be the first call in main of every program that starts jobs, in
// TestMain too. In an ordinary process it returns at once. In a supervisor and
// in a stage, which are executions of the same file, it never returns. It is
// the one place below cmd that ends the process: these are mains of their own.
func Stage() {
	if len(os.Args) == 0 {
		return
	}
	switch os.Args[0] {
	case nameSupervisor:
		os.Exit(supervise(false))
	case nameAdopter:
		os.Exit(supervise(true))
	case nameStage:
		os.Exit(becomeJob())
	}
}
