package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
)

func TestMain(m *testing.M) {
	warden.Stage()
	testscript.Main(m, map[string]func(){"gatehouse": main, "ask-signer": askSigner})
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
			// build PACKAGE… puts commands of ours into $WORK/bin.
			"build": func(ts *testscript.TestScript, _ bool, args []string) {
				said, err := exec.Command("go", append([]string{"build", "-o", ts.MkAbs("bin") + "/"}, args...)...).CombinedOutput()
				if err != nil {
					ts.Fatalf("go build: %v\n%s", err, said)
				}
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
			// Jobs of another uid must be able to reach their sandboxes.
			return errors.Join(os.Chmod(filepath.Dir(e.WorkDir), 0o755), os.Chmod(e.WorkDir, 0o755))
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
