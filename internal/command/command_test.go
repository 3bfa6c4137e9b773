package command

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

var errUsage = errors.New("usage")

// program is a small one: "house door open --force", "house lamp".
func program() *cobra.Command {
	run := func(*cobra.Command, []string) error { return nil }
	open := &cobra.Command{Use: "open", Short: "Open it", RunE: run, Example: "  house door open"}
	open.Flags().Bool("force", false, "although it is locked")
	open.Flags().String("hand", "", "left or right")
	door := &cobra.Command{Use: "door", Short: "Doors", Example: "  house door open"}
	door.AddCommand(open)
	lamp := &cobra.Command{Use: "lamp COLOUR", Args: cobra.ExactArgs(1), Short: "Light it", Long: "Light it. Exit code 3: no bulb.", RunE: run}
	root := &cobra.Command{Use: "house", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(door, lamp)
	Style{
		Usage: func(err error) error { return errors.Join(errUsage, err) },
		Suggest: func(word string, candidates []string) string {
			for _, c := range candidates {
				if word[:3] == c[:3] {
					return "did you mean " + c + "?"
				}
			}
			return ""
		},
		Exits:  "Exit code 0: done.",
		Values: map[string][]string{"hand": {"left", "right"}},
	}.Apply(root)
	return root
}

func TestMisspellings(t *testing.T) {
	for args, want := range map[string]string{
		"dooor":                   "house has no command \"dooor\": did you mean door?",
		"window":                  "house has no command \"window\": see house --help",
		"door opn":                "house door has no command \"opn\": see house door --help",
		"door open --fork":        "house door open has no flag --fork: did you mean --force?",
		"door open --zzz":         "house door open has no flag --zzz: see house door open --help",
		"door open -z":            "unknown shorthand flag: 'z' in -z: see house door open --help",
		"lamp":                    "accepts 1 arg(s), received 0: want house lamp COLOUR",
		"door open --force=maybe": "invalid argument \"maybe\" for \"--force\" flag",
	} {
		root := program()
		root.SetArgs(strings.Fields(args))
		root.SetOut(io.Discard)
		err := root.Execute()
		require.ErrorIs(t, err, errUsage, args)
		require.ErrorContains(t, err, want, args)
	}
}

func TestValuesAreCompleted(t *testing.T) {
	root := program()
	var said strings.Builder
	root.SetOut(&said)
	root.SetErr(io.Discard)
	root.SetArgs([]string{"__complete", "door", "open", "--hand", ""})
	require.NoError(t, root.Execute())
	require.Equal(t, "left\nright\n:4\n", said.String())
}

func TestHelpSaysExitCodes(t *testing.T) {
	root := program()
	require.Equal(t, []string{"house lamp: no example"}, Lacking(root))
	open, _, err := root.Find([]string{"door", "open"})
	require.NoError(t, err)
	require.Equal(t, "Open it.\n\nExit code 0: done.", open.Long)
	lamp, _, err := root.Find([]string{"lamp"})
	require.NoError(t, err)
	require.Equal(t, "Light it. Exit code 3: no bulb.", lamp.Long, "its own words stay")
	open.Long = ""
	require.Contains(t, Lacking(root), "house door open: nothing about exit codes")
}
