package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// operations is the table in the package's doc.
var operations = []operation{
	{method: http.MethodGet, path: "ping", name: "ping", rights: nothing, do: ping},
	{method: http.MethodGet, path: "revision", name: "revision", rights: needs(profile.ActionPolicyRead), do: revision},

	{method: http.MethodGet, path: "bans", name: "list bans", rights: needs(profile.ActionPolicyRead), do: listBans},
	{method: http.MethodGet, path: "paps/{alias}/bans", name: "list bans", rights: needs(profile.ActionPolicyRead), do: listBans},
	{method: http.MethodPost, path: "paps/{alias}/bans", name: "ban", rights: needs(profile.ActionBan), do: ban, changes: true, narrows: true},
	{method: http.MethodDelete, path: "paps/{alias}/bans", name: "un-ban", rights: needs(profile.ActionBan), do: unban, changes: true},

	{method: http.MethodGet, path: "paps/{alias}/rules", name: "list rules", rights: needs(profile.ActionPolicyRead), do: listUnits},
	{method: http.MethodPost, path: "paps/{alias}/rules", name: "add rules", rights: needs(profile.ActionPolicyWrite), do: addRules, changes: true},
	{method: http.MethodDelete, path: "paps/{alias}/rules", name: "remove all rules", rights: removingAll, do: removeAll, changes: true},
	{method: http.MethodPatch, path: "paps/{alias}/rules/{id}", name: "change rule", rights: needs(profile.ActionPolicyWrite), do: patchRule, changes: true},
	{method: http.MethodDelete, path: "paps/{alias}/rules/{id}", name: "remove rules", rights: needs(profile.ActionPolicyWrite), do: removeRules, changes: true},

	{method: http.MethodGet, path: "paps", name: "list PAPs", rights: needs(profile.ActionConfigRead), do: listPAPs},
	{method: http.MethodGet, path: "paps/{alias}", name: "show PAP", rights: needs(profile.ActionConfigRead), do: showPAP},
	{method: http.MethodPut, path: "paps/{alias}", name: "set PAP", rights: needs(profile.ActionConfigWrite), do: putPAP, changes: true},
	{method: http.MethodDelete, path: "paps/{alias}", name: "remove PAP", rights: needs(profile.ActionConfigWrite), do: removePAP, changes: true},
	{method: http.MethodPut, path: "order", name: "order PAPs", rights: needs(profile.ActionConfigWrite), do: order, changes: true},

	{method: http.MethodGet, path: "persons", name: "list persons", rights: needs(profile.ActionPolicyRead), do: listPersons},
	{method: http.MethodPost, path: "persons", name: "set persons", rights: needs(profile.ActionPolicyWrite), do: putPersons, changes: true},
	{method: http.MethodDelete, path: "persons/{id}", name: "remove persons", rights: needs(profile.ActionPolicyWrite), do: removePersons, changes: true},
	{method: http.MethodGet, path: "attributes", name: "list attributes", rights: needs(profile.ActionPolicyRead), do: listRows},
	{method: http.MethodPost, path: "attributes", name: "set attributes", rights: needs(profile.ActionPolicyWrite), do: putRows, changes: true},
	{method: http.MethodDelete, path: "attributes/{id}", name: "remove attributes", rights: needs(profile.ActionPolicyWrite), do: removeRows, changes: true},

	{method: http.MethodGet, path: "history", name: "history", rights: readingHistory, do: history},
	{method: http.MethodGet, path: "diff", name: "diff", rights: needs(profile.ActionPolicyRead), do: diff},
	{method: http.MethodPost, path: "rollback", name: "roll back", rights: needs(profile.ActionPolicyWrite, profile.ActionConfigWrite), do: rollback, changes: true},

	{method: http.MethodGet, path: "followers", name: "list followers", rights: needs(profile.ActionConfigRead), do: listFollowers},
	{method: http.MethodDelete, path: "followers/{id}", name: "forget follower", rights: needs(profile.ActionConfigWrite), do: forget},
	{method: http.MethodPut, path: "followers/{id}", name: "report", rights: needs(profile.ActionFollow), do: report},
	{method: http.MethodGet, path: "feed", name: "feed", rights: needs(profile.ActionFollow), do: feed},
}

func (c *call) body(limit int64, v any) error { return readBody(c.w, c.r, limit, v) }

// ids returns the id of the path and those of the query.
func (c *call) ids() []string { return append([]string{c.vars["id"]}, c.query["id"]...) }

// number reads a parameter, 0 if it is not there.
func (c *call) number(name string) (uint64, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s=%q is no number", change.ErrInvalid, name, clip(text))
	}
	return n, nil
}

// ping says who is there, to everybody whose credential is sound.
func ping(c *call) (any, error) {
	return pong{Service: "Gatehouse PAP", Version: c.o.Version}, nil
}

func revision(c *call) (any, error) {
	now, err := c.o.Service.Revision(c.r.Context())
	return pong{Service: "Gatehouse PAP", Version: c.o.Version, Revision: now}, err
}

func listBans(c *call) (any, error) {
	bans, err := c.o.Service.Bans(c.r.Context(), c.vars["alias"])
	return bansBody{bans}, err
}

func ban(c *call) (any, error) {
	var body bansBody
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	return c.o.Service.Ban(c.r.Context(), c.request, c.vars["alias"], body.Bans...)
}

func unban(c *call) (any, error) {
	var body bansBody
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	return c.o.Service.Unban(c.r.Context(), c.request, c.vars["alias"], body.Bans...)
}

func addRules(c *call) (any, error) {
	var body newRules
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	switch {
	case (body.Rule == nil) == (body.File == nil):
		return nil, fmt.Errorf("%w: want either a rule or a file", change.ErrInvalid)
	case body.Rule != nil && body.At != (change.At{}):
		return nil, fmt.Errorf("%w: a rule says itself where it goes, without \"at\"", change.ErrInvalid)
	case body.Rule != nil:
		return c.o.Service.AddRule(c.r.Context(), c.request, c.vars["alias"], *body.Rule)
	}
	return c.o.Service.AddFile(c.r.Context(), c.request, c.vars["alias"], *body.File, body.At)
}

func patchRule(c *call) (any, error) {
	var body rulePatch
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	ctx, alias, id := c.r.Context(), c.vars["alias"], c.vars["id"]
	switch {
	case body.File != nil && body.Before == "" && body.After == "":
		return c.o.Service.Replace(ctx, c.request, alias, id, *body.File)
	case body.File == nil && body.Before != "" && body.After == "":
		return c.o.Service.Move(ctx, c.request, alias, id, body.Before, false)
	case body.File == nil && body.Before == "" && body.After != "":
		return c.o.Service.Move(ctx, c.request, alias, id, body.After, true)
	}
	return nil, fmt.Errorf("%w: want one of before, after and file", change.ErrInvalid)
}

func removeRules(c *call) (any, error) {
	return c.o.Service.Remove(c.r.Context(), c.request, c.vars["alias"], c.ids()...)
}

func removingAll(c *call) []right {
	rights := needs(profile.ActionPolicyWrite)(c)
	if c.query.Get("bans") == "true" {
		rights = append(rights, on(profile.ActionBan, c.alias()))
	}
	return rights
}

func removeAll(c *call) (any, error) {
	if c.query.Get("all") != "true" {
		return nil, fmt.Errorf("%w: say all=true to remove all rules, or name one in the path", change.ErrInvalid)
	}
	return c.o.Service.RemoveAll(c.r.Context(), c.request, c.vars["alias"], c.query.Get("bans") == "true")
}

func listPAPs(c *call) (any, error) {
	paps, err := c.o.Service.PAPs(c.r.Context())
	return papsBody{paps}, err
}

func showPAP(c *call) (any, error) {
	paps, err := c.o.Service.PAPs(c.r.Context())
	if err != nil {
		return nil, err
	}
	for _, p := range paps {
		if p.Alias == c.vars["alias"] {
			return p, nil
		}
	}
	return nil, fmt.Errorf("PAP %q: %w", c.vars["alias"], change.ErrNotFound)
}

func putPAP(c *call) (any, error) {
	body := change.PAP{Alias: c.vars["alias"]}
	if err := c.body(MaxBody, &body); err != nil {
		return nil, err
	}
	if body.Alias != c.vars["alias"] {
		return nil, fmt.Errorf("%w: the path names the PAP %q, the body %q", change.ErrInvalid, c.vars["alias"], body.Alias)
	}
	switch c.r.Header.Get("If-None-Match") {
	case "":
		return c.o.Service.UpdatePAP(c.r.Context(), c.request, body)
	case "*":
		return c.o.Service.AddPAP(c.r.Context(), c.request, body)
	}
	return nil, fmt.Errorf("%w: If-None-Match can only be *", change.ErrInvalid)
}

func removePAP(c *call) (any, error) {
	return c.o.Service.RemovePAP(c.r.Context(), c.request, c.vars["alias"])
}

func order(c *call) (any, error) {
	var body aliasesBody
	if err := c.body(MaxBody, &body); err != nil {
		return nil, err
	}
	return c.o.Service.Order(c.r.Context(), c.request, body.Aliases...)
}

func listPersons(c *call) (any, error) {
	persons, err := c.o.Service.Persons(c.r.Context())
	return personsBody{Persons: persons}, err
}

func putPersons(c *call) (any, error) {
	var body personsBody
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	return c.o.Service.ChangePersons(c.r.Context(), c.request, body.Persons, body.Remove)
}

func removePersons(c *call) (any, error) {
	return c.o.Service.RemovePersons(c.r.Context(), c.request, c.ids()...)
}

func listRows(c *call) (any, error) {
	rows, err := c.o.Service.Rows(c.r.Context())
	return rowsBody{rows}, err
}

func putRows(c *call) (any, error) {
	var body rowsBody
	if err := c.body(MaxPolicyBody, &body); err != nil {
		return nil, err
	}
	return c.o.Service.PutRows(c.r.Context(), c.request, body.Attributes...)
}

func removeRows(c *call) (any, error) {
	return c.o.Service.RemoveRows(c.r.Context(), c.request, c.ids()...)
}

// readingHistory asks for the PAP that the query names.
func readingHistory(c *call) []right {
	pap := c.query.Get("pap")
	if pap == "" {
		pap = everyPAP
	}
	return []right{on(profile.ActionPolicyRead, pap)}
}

func history(c *call) (any, error) {
	before, err := c.number("before")
	limit, err2 := c.number("limit")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	entries, err := c.o.Service.History(c.r.Context(), change.Query{Before: before, Limit: int(min(limit, 10_000)), PAP: c.query.Get("pap")})
	return entriesBody{entries}, err
}

func diff(c *call) (any, error) {
	from, err := c.number("from")
	to, err2 := c.number("to")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	all, err := c.o.Service.Diff(c.r.Context(), from, to)
	return differences{all}, err
}

// rollback needs more rights by what it restores: those are in the body.
func rollback(c *call) (any, error) {
	var restore change.Restore
	if err := c.body(MaxBody, &restore); err != nil {
		return nil, err
	}
	var more []right
	if restore.Bans {
		more = append(more, right{profile.ActionBan, everyPAP})
	}
	if restore.Admin {
		more = append(more, right{profile.ActionConfigWrite, change.AdminPAP})
	}
	if err := c.authorize(more...); err != nil {
		return nil, err
	}
	return c.o.Service.Rollback(c.r.Context(), c.request, restore)
}

// listFollowers lists all, or those that have not settled a revision in time.
func listFollowers(c *call) (any, error) {
	if c.query.Has("missing") {
		return missing(c)
	}
	all, err := c.o.Service.Followers(c.r.Context())
	return followers{all}, err
}

func missing(c *call) (any, error) {
	at, err := ParseRevision(c.query.Get("missing"))
	if err != nil {
		return nil, err
	}
	wait, err := duration(c.query.Get("wait"), DefaultWait, MaxWait)
	if err != nil {
		return nil, err
	}
	c.patient(wait)
	ctx, cancel := c.holding(c.r.Context(), wait)
	defer cancel()
	pending, err := c.o.Service.Wait(ctx, at)
	return followers{pending}, err
}

func forget(c *call) (any, error) {
	return struct{}{}, c.o.Service.Forget(c.r.Context(), c.vars["id"])
}

// report takes a follower's word for how far it is. Its identity is that of its
// certificate, so that nobody else reports under its name.
func report(c *call) (any, error) {
	var body progress
	if err := c.body(MaxBody, &body); err != nil {
		return nil, err
	}
	return struct{}{}, c.o.Service.Report(c.r.Context(), change.Follower{
		Name: c.vars["id"], Identity: c.author.Name, Applied: body.Applied, Settled: body.Settled,
	})
}

// feed waits for something newer than what the follower has.
func feed(c *call) (any, error) {
	after, err := ParseRevision(c.query.Get("after"))
	if err != nil {
		return nil, err
	}
	hold, err := duration(c.query.Get("wait"), c.o.Hold, c.o.Hold)
	if err != nil {
		return nil, err
	}
	c.patient(hold)
	ctx, cancel := c.holding(c.r.Context(), hold)
	defer cancel()
	set, err := c.o.Service.Feed(ctx, after)
	if err == nil {
		// ⚿ What has come may be a ban on the very follower, and half a minute
		// is long enough to be revoked.
		return set, c.again()
	}
	if ctx.Err() == nil {
		return nil, err
	}
	now, err := c.o.Service.Revision(c.r.Context())
	if err != nil {
		return nil, err
	}
	if now != after { // the time was for waiting; what is there can be had
		set, err = c.o.Service.Feed(c.r.Context(), after)
		return set, errors.Join(err, c.again())
	}
	c.wrote = true
	c.w.Header().Set("ETag", `"`+FormatRevision(now)+`"`)
	c.w.WriteHeader(http.StatusNoContent)
	return nil, nil
}
