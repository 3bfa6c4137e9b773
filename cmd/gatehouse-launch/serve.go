package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"golang.org/x/sys/unix"
)

func serve(ctx context.Context, file string, stderr io.Writer) error {
	unix.Umask(0o022) // records and sandboxes set their own modes
	c, key, err := load(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	verifier, err := launch.NewVerifier(key, c.Name)
	if err != nil {
		return err
	}
	w, err := warden.Open(ctx, warden.Config{
		State: string(c.State), Sandboxes: string(c.Sandboxes), Services: string(c.Services), AsSelf: c.RunJobsAsSelf,
		Groups: c.Cgroup, Files: c.OpenFiles, Log: log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	memory, err := openMemory(c)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	gate := &launch.Gate{
		Verifier: verifier, Memory: memory, Accounts: newGetent(getentPath, time.Now), Rules: c.rules(), Runner: w, Log: log, Now: time.Now,
	}
	err = listen(ctx, c, gate, log, w.Accounting())
	return errors.Join(err, memory.Close(), w.Close())
}

func openMemory(c config) (*launch.Memory, error) {
	boot, err := launch.BootID()
	if err != nil {
		return nil, err
	}
	return launch.OpenMemory(filepath.Join(string(c.State), "grants"), boot, time.Now())
}

func listen(ctx context.Context, c config, gate *launch.Gate, log *slog.Logger, accounting string) error {
	if err := os.MkdirAll(filepath.Dir(string(c.Socket)), 0o755); err != nil {
		return fmt.Errorf("launcher socket: %w", err)
	}
	l, err := launch.Listen(string(c.Socket), c.Peers)
	if err != nil {
		return err
	}
	if c.RunJobsAsSelf {
		log.Warn("run-jobs-as-self: all jobs share one account; this is for demonstrations")
	}
	log.Info("serving", "socket", c.Socket, "name", c.Name, "peers", c.Peers, "cpu-accounting", accounting)
	server := &launch.Server{Launcher: gate, Peers: c.Peers, Log: log}
	return server.Serve(ctx, l)
}
