package main

import (
	"context"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins"
)

// plugins starts the configured plug-ins, which enrich requests in their
// order.
func (s *site) plugins(context.Context) ([]authz.Enricher, error) {
	if len(s.config.Plugins) == 0 {
		return nil, nil
	}
	host, err := plugins.NewHost(plugins.Options{Dir: string(s.config.Data), Log: s.log})
	if err != nil {
		return nil, err
	}
	s.closeLater(host)
	var all []authz.Enricher
	for _, p := range s.config.Plugins {
		c := p.pinned()
		enricher, err := host.Enricher(c)
		if err != nil {
			return nil, err
		}
		all = append(all, enricher)
		s.health.Check("plug-in "+p.Name, func() error {
			if status := enricher.Status(); !status.Ready {
				return fmt.Errorf("%s", status.Cause)
			}
			return nil
		})
	}
	return all, nil
}

// pinned is the plug-in as its host wants it.
func (p *PluginConfig) pinned() plugins.Config {
	c := plugins.Config{Name: p.Name, Path: string(p.Path), SHA256: p.SHA256, Args: p.Args}
	for _, id := range p.Assert {
		c.Assert = append(c.Assert, plugins.AttributeName{Category: authz.Subject, ID: id})
	}
	return c
}
