package bench

import (
	"syscall"
	"testing"
	"time"
)

// processor is the processor time that this process has had.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spent starts counting; the function it returns reports cpu-ns/op: processor
// time for each operation, with that of the collector, without the time that
// others had the processor. On a shared machine it says more than ns/op.
func spent(b *testing.B) func() {
	start := processor()
	return func() { b.ReportMetric(float64(processor()-start)/float64(b.N), "cpu-ns/op") }
}
