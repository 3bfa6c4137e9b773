package main

import (
	"fmt"

	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write the manual pages into a directory",
		Example: "  gatehouse man /usr/local/share/man/man1",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "GATEHOUSE", Section: "1", Source: "Gatehouse " + version()}, args[0])
		},
	}
}

// exactly is cobra.ExactArgs with our exit code.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n == 0 && len(args) > 0 {
			return unusable(fmt.Errorf("%q stands alone: %s takes flags only, see %s --help", args[0], cmd.Name(), cmd.CommandPath()))
		}
		return unusable(cobra.ExactArgs(n)(cmd, args))
	}
}
