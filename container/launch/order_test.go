package launch

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOrderCheck(t *testing.T) {
	require.NoError(t, startOrder().Check())
	read := Order{Operation: Read, Job: jobID, Path: "dir/out"}
	require.NoError(t, read.Check())
	require.NoError(t, Order{Operation: Signal, Job: jobID, Signal: Kill}.Check())
	require.NoError(t, Order{Operation: Remove, Job: jobID}.Check())

	start := func(change func(*Order)) Order { o := startOrder(); change(&o); return o }
	cases := map[string]struct {
		order Order
		want  string
	}{
		"zero":                {Order{}, "job id"},
		"no operation":        {Order{Job: jobID}, "unknown operation"},
		"job with ..":         {Order{Operation: Stat, Job: "../../../../../../../../etc/passw"}, "job id"},
		"job in capitals":     {Order{Operation: Stat, Job: strings.ToUpper(jobID)}, "job id"},
		"short job":           {Order{Operation: Stat, Job: jobID[1:]}, "job id"},
		"job with newline":    {Order{Operation: Stat, Job: jobID[:31] + "\n"}, "job id"},
		"signal 0":            {Order{Operation: Signal, Job: jobID, Signal: "0"}, "want TERM or KILL"},
		"path up":             {Order{Operation: Read, Job: jobID, Path: "../x"}, "without"},
		"path up inside":      {Order{Operation: Read, Job: jobID, Path: "a/../../x"}, "without"},
		"path absolute":       {Order{Operation: Read, Job: jobID, Path: "/etc/shadow"}, "without"},
		"path dot":            {Order{Operation: Read, Job: jobID, Path: "."}, "without"},
		"path double slash":   {Order{Operation: Read, Job: jobID, Path: "a//b"}, "without"},
		"path NUL":            {Order{Operation: Read, Job: jobID, Path: "a\x00b"}, "plain text"},
		"path not UTF-8":      {Order{Operation: Read, Job: jobID, Path: "a\xff"}, "plain text"},
		"path too long":       {Order{Operation: Read, Job: jobID, Path: strings.Repeat("a", MaxPath+1)}, "longer than"},
		"read with arguments": {Order{Operation: Read, Job: jobID, Args: []string{"x"}}, "another operation"},
		"signal with path":    {Order{Operation: Signal, Job: jobID, Signal: Kill, Path: "x"}, "another operation"},
		"start with path":     {start(func(o *Order) { o.Path = "x" }), "another operation"},
		"no executable":       {start(func(o *Order) { o.Executable = "" }), "no executable"},
		"executable up":       {start(func(o *Order) { o.Executable = "../../bin/sh" }), "without"},
		"executable absolute": {start(func(o *Order) { o.Executable = "/bin/sh" }), "without"},
		"no arguments":        {start(func(o *Order) { o.Args = nil }), "argument vector is empty"},
		"argument NUL":        {start(func(o *Order) { o.Args = []string{"a\x00b"} }), "NUL"},
		"long arguments":      {start(func(o *Order) { o.Args = []string{strings.Repeat("a", MaxText)} }), "131072 bytes"},
		"many arguments":      {start(func(o *Order) { o.Args = make([]string, MaxArguments+1) }), "4096 items"},
		"no CPU limit":        {start(func(o *Order) { o.Limits.CPU = 0 }), "at least one second"},
		"negative CPU limit":  {start(func(o *Order) { o.Limits.CPU = -time.Hour }), "at least one second"},
		"no wall limit":       {start(func(o *Order) { o.Limits.Wall = time.Millisecond }), "at least one second"},
		"stream elsewhere":    {start(func(o *Order) { o.Stdout = "a/b" }), "plain file name"},
		"stream up":           {start(func(o *Order) { o.Stderr = ".." }), "without"},
		"preload":             {start(func(o *Order) { o.Env = []string{"LD_PRELOAD=x"} }), "never passed on"},
		"library path":        {start(func(o *Order) { o.Env = []string{"LD_LIBRARY_PATH=x"} }), "never passed on"},
		"separator":           {start(func(o *Order) { o.Env = []string{"IFS=x"} }), "never passed on"},
		"shell start-up":      {start(func(o *Order) { o.Env = []string{"BASH_ENV=x"} }), "never passed on"},
		"shell function":      {start(func(o *Order) { o.Env = []string{"BASH_FUNC_ls%%=() { :; }"} }), "want NAME=value"},
		"own variable":        {start(func(o *Order) { o.Env = []string{"PATH=/tmp"} }), "set by the launcher"},
		"variable twice":      {start(func(o *Order) { o.Env = []string{"A=1", "A=2"} }), "set twice"},
		"newline in a name":   {start(func(o *Order) { o.Env = []string{"A\nB=1"} }), "want NAME=value"},
		"no name":             {start(func(o *Order) { o.Env = []string{"=1"} }), "want NAME=value"},
		"no value":            {start(func(o *Order) { o.Env = []string{"A"} }), "want NAME=value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, c.order.Check(), c.want) })
	}
}

// Two orders have the same hash only if they are the same order: bytes that
// move between neighbours must not go unseen.
func TestHashTellsOrdersApart(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "ab", "ba", "\x00", "a\x00\x00\x00\x01b"})
	orders := rapid.Custom(func(t *rapid.T) Order {
		return Order{
			Operation: Operation(word.Draw(t, "operation")), Job: word.Draw(t, "job"), Executable: word.Draw(t, "executable"),
			Args: rapid.SliceOfN(word, 0, 3).Draw(t, "args"), Env: rapid.SliceOfN(word, 0, 3).Draw(t, "env"),
			Stdin: word.Draw(t, "stdin"), Stdout: word.Draw(t, "stdout"), Stderr: word.Draw(t, "stderr"),
			Signal: word.Draw(t, "signal"), Path: word.Draw(t, "path"),
			Limits: Limits{CPU: time.Duration(rapid.IntRange(0, 1).Draw(t, "cpu")), Wall: time.Duration(rapid.IntRange(0, 1).Draw(t, "wall"))},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := orders.Draw(t, "a"), orders.Draw(t, "b")
		same := string(a.encode()) == string(b.encode())
		require.Equal(t, same, a.Hash() == b.Hash())
		require.Equal(t, same, equal(a, b))
	})
}

func equal(a, b Order) bool {
	list := func(o Order) []string {
		return []string{string(o.Operation), o.Job, o.Executable, o.Stdin, o.Stdout, o.Stderr, o.Signal, o.Path}
	}
	same := func(x, y []string) bool {
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i] != y[i] {
				return false
			}
		}
		return true
	}
	return same(list(a), list(b)) && same(a.Args, b.Args) && same(a.Env, b.Env) && a.Limits == b.Limits
}

func TestTagHidesTheID(t *testing.T) {
	require.Regexp(t, "^job-[0-9a-f]{12}$", Tag(jobID))
	require.NotContains(t, jobID, strings.TrimPrefix(Tag(jobID), "job-"))
}
