package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
)

func TestMain(m *testing.M) {
	warden.Stage()
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// The scripts in testdata read like the manual: one for each verb.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// pki DIR makes a throw-away PKI and account files.
			"pki": func(ts *testscript.TestScript, _ bool, args []string) {
				_, err := openWorld(ts.MkAbs(args[0]))
				ts.Check(err)
			},
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CACHE_HOME", e.WorkDir)
			return nil
		},
	})
}

// The demo is the main job: it must come out as expected, and say so.
func TestDemo(t *testing.T) {
	var out, errs strings.Builder
	code := run(t.Context(), []string{"demo"}, nil, &out, &errs)
	require.Equal(t, exitOK, code, "%s%s", out.String(), errs.String())
	require.Contains(t, out.String(), "Every step came out as expected")
}
