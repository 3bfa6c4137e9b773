package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// defaultConfig is where gatehouse.yaml is looked for.
const defaultConfig = "/etc/gatehouse/gatehouse.yaml"

func newServe() *cobra.Command {
	var path, data string
	var dev, anyPort, create bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the roles that the configuration names",
		Long: `Serve runs the roles that have a section in the configuration (pap, pdp,
container, mapping, signer) until SIGTERM or SIGINT. It never makes a store by
itself: one that vanished must not come back without its bans.

Exit code 0: stopped when asked; 1: it could not start, or a part of it ended; 2:
arguments, or a configuration that cannot be read.`,
		Example: `  gatehouse serve --config /etc/gatehouse/gatehouse.yaml
  gatehouse serve --dev                 # all roles, a throw-away PKI, a lasting data directory`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dev {
				return serveDev(cmd.Context(), data, anyPort, cmd.ErrOrStderr())
			}
			return serve(cmd.Context(), path, create, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	cmd.Flags().BoolVar(&create, "create-store", false, "begin with an empty store if there is none (gatehouse init makes one)")
	cmd.Flags().BoolVar(&dev, "dev", false, "run everything on loopback ports with a PKI made for the purpose; never for real users")
	cmd.Flags().BoolVar(&anyPort, "any-port", false, "with --dev: on ports that are free, instead of 8150, 8443 and 8149")
	cmd.Flags().StringVar(&data, "data", "", "with --dev: where to keep data (default: gatehouse-dev in the user's cache directory)")
	return cmd
}

func serve(ctx context.Context, path string, create bool, errs io.Writer) error {
	log := newLog(errs, slog.LevelInfo)
	config, digest, err := loadConfig(path)
	if err != nil {
		return unusable(err)
	}
	config.createStore = create
	log.Info("configuration", "file", path, "sha256", digest)
	return runSite(ctx, config, log)
}

func runSite(ctx context.Context, config Config, log *slog.Logger) error {
	s, err := newSite(ctx, config, log)
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(err.Error(), "open store") {
		return fmt.Errorf("%w; serve --create-store begins with an empty one, without a single ban", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close())
}

// serveDev runs everything in one process with a PKI of its own.
func serveDev(ctx context.Context, dir string, anyPort bool, errs io.Writer) error {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no place for data: %w; name one with --data", err)
		}
		dir = filepath.Join(cache, "gatehouse-dev")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	w, err := openWorld(dir)
	if err != nil {
		return err
	}
	if !anyPort {
		w.config.PAP.Listen, w.config.Container.Listen, w.config.Status = "127.0.0.1:8150", "127.0.0.1:8443", "127.0.0.1:8149"
	}
	s, err := newSite(ctx, w.config, newLog(errs, slog.LevelInfo))
	if err != nil {
		return err
	}
	fmt.Fprintf(errs, "data in %s; certificates in %s\n%s", dir, w.path("pki"), w.hints(s.papHere(), s.containerHere()))
	return errors.Join(s.Run(ctx), s.Close())
}

// newLog writes for people on a terminal and for programs elsewhere.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
