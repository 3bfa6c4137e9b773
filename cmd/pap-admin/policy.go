package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// change connects, makes one change and reports it.
func (a *app) change(cmd *cobra.Command, words func(change.Result) string, do func(context.Context, *api.Client, change.Request) (change.Result, error)) error {
	r, err := a.request()
	if err != nil {
		return err
	}
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	bar := a.progress("waiting for the PAP", 0)
	result, err := do(ctx, client, r)
	bar.done()
	if err != nil {
		return err
	}
	return a.done(result, words(result))
}

func added(result change.Result) string {
	return counted(len(result.IDs), "policy", "policies") + " added: " + strings.Join(result.IDs, " ")
}

func said(words string) func(change.Result) string {
	return func(change.Result) string { return words }
}

func (a *app) addPolicy() *cobra.Command {
	var rule change.Rule
	var alias, scope string
	cmd := &cobra.Command{
		Use:     "add-policy {permit | deny} NAME=VALUE…",
		Aliases: []string{"ap"},
		Short:   "Add one rule",
		Long: `Add one rule, on top of the rules of its action unless told otherwise. Resource and
action that are not there yet are made. The names are those of SPL.`,
		Example: `  pap-admin add-policy permit vo=atlas --resource "https://ce.example.org/.*" --action ".*"
  pap-admin add-policy deny 'pfqan="/atlas/Role=pilot"' --action-id 5b1f… --before-rule-id 77aa…`,
		Args: between(2, -1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch args[0] {
		case "permit":
			rule.Permit = true
		case "deny":
		default:
			return usage("%q: want permit or deny", args[0])
		}
		for _, arg := range args[1:] {
			name, value, ok := strings.Cut(arg, "=")
			if !ok {
				return usage("%q: want name=value", arg)
			}
			rule.Names = append(rule.Names, change.Name{Attribute: strings.TrimSpace(name), Value: unquote(value)})
		}
		if rule.ActionID == "" && (rule.Resource == "" || rule.Action == "") {
			return usage("where? give --resource and --action, or --action-id")
		}
		rule.Scope = change.Scope(scope)
		if scope != "action" && scope != "resource" {
			return usage("--obligation-scope %q: want action or resource", scope)
		}
		return a.change(cmd, added, func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
			return c.AddRule(ctx, r, alias, rule)
		})
	}
	f := cmd.Flags()
	f.SortFlags = false
	papFlag(cmd, &alias)
	f.StringVar(&rule.Resource, "resource", "", "value of the resource, exactly as it is or is to be")
	f.StringVar(&rule.Action, "action", "", "value of the action, likewise")
	f.StringVar(&rule.ActionID, "action-id", "", "id of the action, in place of both")
	f.StringVar(&rule.Before, "before-rule-id", "", "id of the rule to stand before")
	f.StringVar(&rule.After, "after-rule-id", "", "id of the rule to stand behind")
	f.BoolVar(&rule.Bottom, "bottom", false, "below what is there")
	f.StringVar(&rule.Obligation, "obligation", "", "id of an obligation to add")
	f.StringVar(&scope, "obligation-scope", "action", "where the obligation belongs: action or resource")
	cmd.MarkFlagsMutuallyExclusive("resource", "action-id")
	cmd.MarkFlagsMutuallyExclusive("action", "action-id")
	cmd.MarkFlagsMutuallyExclusive("before-rule-id", "after-rule-id", "bottom")
	return a.changes(cmd)
}

func (a *app) addFile() *cobra.Command {
	var alias string
	var at change.At
	cmd := &cobra.Command{
		Use:     "add-policies-from-file FILE [RESOURCE-ID]",
		Aliases: []string{"apf"},
		Short:   "Add the policies of a file",
		Long: `Add the policies of a file, below what is there unless told otherwise: SPL of
either version, an XACML 2.0 or 3.0 document (.xml), or Rego (.rego). A file of
actions without a resource goes into the resource of the given id. Nothing is
changed if anything in the file is wrong.`,
		Example: "  pap-admin add-policies-from-file site.spl -m 'opening for the new VO'\n  pap-admin apf actions.spl 3f2a… --before 77aa…",
		Args:    between(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				at.Resource = args[1]
			}
			file, err := a.readFile(args[0])
			if err != nil {
				return err
			}
			return a.change(cmd, added, func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.AddFile(ctx, r, alias, file, at)
			})
		},
	}
	papFlag(cmd, &alias)
	cmd.Flags().StringVar(&at.Before, "before", "", "id of the policy to stand before")
	cmd.Flags().StringVar(&at.After, "after", "", "id of the policy to stand behind")
	cmd.MarkFlagsMutuallyExclusive("before", "after")
	return a.changes(cmd)
}

func (a *app) updateFile() *cobra.Command {
	var alias string
	cmd := &cobra.Command{
		Use:     "update-policy-from-file ID FILE",
		Aliases: []string{"upf"},
		Short:   "Replace a policy by that of a file",
		Example: "  pap-admin update-policy-from-file 3f2a… resource.spl",
		Args:    between(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.readFile(args[1])
			if err != nil {
				return err
			}
			return a.change(cmd, said(args[0]+" replaced"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.Replace(ctx, r, alias, args[0], file)
			})
		},
	}
	papFlag(cmd, &alias)
	return a.changes(cmd)
}

// readFile reads a policy file and tells its language by its name and, for
// XACML, by its namespace.
func (a *app) readFile(path string) (change.File, error) {
	in, err := a.open(path)
	if err != nil {
		return change.File{}, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, api.MaxPolicyBody+1))
	if err != nil {
		return change.File{}, unusable(fmt.Errorf("%s: %w", path, err))
	}
	if len(text) > api.MaxPolicyBody {
		return change.File{}, usage("%s is longer than %d MiB", path, api.MaxPolicyBody>>20)
	}
	f := change.File{Name: filepath.Base(path), Text: string(text)}
	if path == "-" {
		f.Name = "standard input"
	}
	switch {
	case filepath.Ext(path) == ".rego":
		f.Format = change.Rego
	case bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf"), []byte("<")) && bytes.Contains(text, []byte(xacml.TwoNamespace)):
		f.Format = change.XACMLTwo
	case bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf"), []byte("<")):
		f.Format = change.XACMLThree
	}
	return f, nil
}

func (a *app) removePolicy() *cobra.Command {
	var alias string
	cmd := &cobra.Command{
		Use:     "remove-policy ID…",
		Aliases: []string{"rp"},
		Short:   "Remove resources, actions or rules by their ids",
		Example: "  pap-admin list-policies --show-all-ids\n  pap-admin remove-policy 3f2a… 77aa…",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said(counted(len(args), "policy", "policies")+" removed"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.Remove(ctx, r, alias, args...)
			})
		},
	}
	papFlag(cmd, &alias)
	return a.changes(cmd)
}

func (a *app) removeAll() *cobra.Command {
	var alias string
	var bans bool
	cmd := &cobra.Command{
		Use:     "remove-all-policies",
		Aliases: []string{"rap"},
		Short:   "Remove every policy of a PAP; its bans stay",
		Example: "  pap-admin remove-all-policies --pap ngi",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.change(cmd, said("all policies of "+alias+" removed"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.RemoveAll(ctx, r, alias, bans)
			})
		},
	}
	papFlag(cmd, &alias)
	cmd.Flags().BoolVar(&bans, "bans", false, "the bans as well")
	return a.changes(cmd)
}

func (a *app) move() *cobra.Command {
	var alias, before, after string
	cmd := &cobra.Command{
		Use:     "move ID {--before ID | --after ID}",
		Aliases: []string{"mv"},
		Short:   "Move a resource, action or rule before or behind another",
		Example: "  pap-admin move 3f2a… --before 77aa…",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pivot := before + after
			if pivot == "" {
				return usage("where to? give --before or --after")
			}
			return a.change(cmd, said(args[0]+" moved"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.Move(ctx, r, alias, args[0], pivot, after != "")
			})
		},
	}
	papFlag(cmd, &alias)
	cmd.Flags().StringVar(&before, "before", "", "id of the one to stand before")
	cmd.Flags().StringVar(&after, "after", "", "id of the one to stand behind")
	cmd.MarkFlagsMutuallyExclusive("before", "after")
	return a.changes(cmd)
}
