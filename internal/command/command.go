// Package command is what the command lines of Gatehouse have in common: a
// misspelt verb or flag is refused with a hint, and the help of each verb says
// what its exit codes mean, on the screen and in the manual pages alike.
package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Style is what a program decides about all of its verbs.
type Style struct {
	// Usage marks an error as one of the arguments, for the exit code.
	Usage func(error) error
	// Suggest returns `did you mean "x"?` for the candidate nearest to a word,
	// or "".
	Suggest func(word string, candidates []string) string
	// Exits is the sentence about exit codes for verbs whose help has none of
	// its own.
	Exits string
	// Values are what flags of a name may be set to, for completion in shells.
	Values map[string][]string
}

// Apply gives the style to a command and all below it. Of those that only hold
// others it makes the ones that refuse what is none of them, where cobra would
// print the help and succeed: a script must not pass on a misprint.
func (s Style) Apply(root *cobra.Command) {
	root.SetFlagErrorFunc(s.flagError)
	s.apply(root)
}

func (s Style) apply(cmd *cobra.Command) {
	s.complete(cmd)
	for _, below := range cmd.Commands() {
		s.apply(below)
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		s.hold(cmd)
		return
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return s.argsError(cmd, check(cmd, args)) }
	}
	if !strings.Contains(strings.ToLower(cmd.Long), "exit code") {
		if cmd.Long == "" {
			cmd.Long = cmd.Short + "."
		}
		cmd.Long += "\n\n" + s.Exits
	}
}

// complete lets shells complete the values of the command's own flags.
func (s Style) complete(cmd *cobra.Command) {
	for name, values := range s.Values {
		if cmd.LocalNonPersistentFlags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
			// It fails only for a flag that is not there, or has its own already.
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// argsError says how a command is used, where cobra would only count.
func (s Style) argsError(cmd *cobra.Command, err error) error {
	if err == nil || !strings.Contains(err.Error(), " arg(s)") {
		return err
	}
	return s.Usage(fmt.Errorf("%w: want %s", err, strings.TrimSuffix(cmd.UseLine(), " [flags]")))
}

// hold lets a command that only holds others answer for itself.
func (s Style) hold(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return s.Usage(fmt.Errorf("%s has no command %q: %s", cmd.CommandPath(), args[0], s.hint(cmd, args[0], verbs(cmd))))
	}
}

// hint is the nearest candidate, or where all of them stand.
func (s Style) hint(cmd *cobra.Command, word string, candidates []string) string {
	if near := s.Suggest(word, candidates); near != "" {
		return near
	}
	return "see " + cmd.CommandPath() + " --help"
}

func verbs(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	return names
}

// flagError adds a hint to an unknown flag.
func (s Style) flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return s.Usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
	}
	var names []string
	add := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	word := "--" + unknown.GetSpecifiedName()
	return s.Usage(fmt.Errorf("%s has no flag %s: %s", cmd.CommandPath(), word, s.hint(cmd, word, names)))
}

// Lacking names the verbs below a command whose help has no example or says
// nothing about exit codes, for a test. Cobra's own are left out.
func Lacking(cmd *cobra.Command) (lacking []string) {
	for _, c := range cmd.Commands() {
		if c.Name() == "completion" || c.Name() == "help" {
			continue
		}
		lacking = append(lacking, Lacking(c)...)
		if c.Example == "" {
			lacking = append(lacking, c.CommandPath()+": no example")
		}
		if !c.HasSubCommands() && !strings.Contains(strings.ToLower(c.Long), "exit code") {
			lacking = append(lacking, c.CommandPath()+": nothing about exit codes")
		}
	}
	return lacking
}
