package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Ban implements Service.
func (c *Client) Ban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"paps", pap, "bans"}}, bansBody{bans})
}

// Unban implements Service.
func (c *Client) Unban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodDelete, path: []string{"paps", pap, "bans"}}, bansBody{bans})
}

// Bans implements Service.
func (c *Client) Bans(ctx context.Context, pap string) ([]change.Ban, error) {
	m := get("paps", pap, "bans")
	if pap == "" {
		m = get("bans")
	}
	var body bansBody
	_, err := c.ask(ctx, m, &body)
	return body.Bans, err
}

// AddFile implements Service.
func (c *Client) AddFile(ctx context.Context, r change.Request, pap string, f change.File, at change.At) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"paps", pap, "rules"}}, newRules{File: &f, At: at})
}

// AddRule implements Service.
func (c *Client) AddRule(ctx context.Context, r change.Request, pap string, rule change.Rule) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"paps", pap, "rules"}}, newRules{Rule: &rule})
}

// Replace implements Service.
func (c *Client) Replace(ctx context.Context, r change.Request, pap, id string, f change.File) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPatch, path: []string{"paps", pap, "rules", id}}, rulePatch{File: &f})
}

// Move implements Service.
func (c *Client) Move(ctx context.Context, r change.Request, pap, id, pivot string, after bool) (change.Result, error) {
	patch := rulePatch{Before: pivot}
	if after {
		patch = rulePatch{After: pivot}
	}
	return c.change(ctx, r, message{method: http.MethodPatch, path: []string{"paps", pap, "rules", id}}, patch)
}

// Remove implements Service.
func (c *Client) Remove(ctx context.Context, r change.Request, pap string, ids ...string) (change.Result, error) {
	return c.remove(ctx, r, ids, "paps", pap, "rules")
}

// remove deletes several things by their ids in one request: they go together.
func (c *Client) remove(ctx context.Context, r change.Request, ids []string, path ...string) (change.Result, error) {
	if len(ids) == 0 {
		return change.Result{}, errors.Join(change.ErrInvalid, errors.New("nothing to remove was named"))
	}
	m := message{method: http.MethodDelete, path: append(path, ids[0])}
	if len(ids) > 1 {
		m.query = url.Values{"id": ids[1:]}
	}
	return c.change(ctx, r, m, nil)
}

// RemoveAll implements Service.
func (c *Client) RemoveAll(ctx context.Context, r change.Request, pap string, bans bool) (change.Result, error) {
	query := url.Values{"all": {"true"}, "bans": {strconv.FormatBool(bans)}}
	return c.change(ctx, r, message{method: http.MethodDelete, path: []string{"paps", pap, "rules"}, query: query}, nil)
}

// Units implements Service.
func (c *Client) Units(ctx context.Context, pap string) ([]change.Unit, error) {
	var body unitsBody
	_, err := c.ask(ctx, get("paps", pap, "rules"), &body)
	return body.Rules, err
}

// AddPAP implements Service.
func (c *Client) AddPAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error) {
	return c.change(ctx, r, message{
		method: http.MethodPut, path: []string{"paps", p.Alias}, header: http.Header{"If-None-Match": {"*"}},
	}, p)
}

// UpdatePAP implements Service.
func (c *Client) UpdatePAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPut, path: []string{"paps", p.Alias}}, p)
}

// RemovePAP implements Service.
func (c *Client) RemovePAP(ctx context.Context, r change.Request, alias string) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodDelete, path: []string{"paps", alias}}, nil)
}

// Order implements Service.
func (c *Client) Order(ctx context.Context, r change.Request, aliases ...string) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPut, path: []string{"order"}}, aliasesBody{aliases})
}

// PAPs implements Service.
func (c *Client) PAPs(ctx context.Context) ([]change.PAP, error) {
	var body papsBody
	_, err := c.ask(ctx, get("paps"), &body)
	return body.PAPs, err
}

// PutPersons implements Service.
func (c *Client) PutPersons(ctx context.Context, r change.Request, persons ...change.Person) (change.Result, error) {
	return c.ChangePersons(ctx, r, persons, nil)
}

// ChangePersons implements Service.
func (c *Client) ChangePersons(ctx context.Context, r change.Request, put []change.Person, remove []string) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"persons"}}, personsBody{put, remove})
}

// RemovePersons implements Service.
func (c *Client) RemovePersons(ctx context.Context, r change.Request, ids ...string) (change.Result, error) {
	return c.remove(ctx, r, ids, "persons")
}

// Persons implements Service.
func (c *Client) Persons(ctx context.Context) ([]change.Person, error) {
	var body personsBody
	_, err := c.ask(ctx, get("persons"), &body)
	return body.Persons, err
}

// PutRows implements Service.
func (c *Client) PutRows(ctx context.Context, r change.Request, rows ...change.Row) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"attributes"}}, rowsBody{rows})
}

// RemoveRows implements Service.
func (c *Client) RemoveRows(ctx context.Context, r change.Request, names ...string) (change.Result, error) {
	return c.remove(ctx, r, names, "attributes")
}

// Rows implements Service.
func (c *Client) Rows(ctx context.Context) ([]change.Row, error) {
	var body rowsBody
	_, err := c.ask(ctx, get("attributes"), &body)
	return body.Attributes, err
}

// History implements Service.
func (c *Client) History(ctx context.Context, q change.Query) ([]change.Entry, error) {
	m := get("history")
	m.query = url.Values{}
	if q.Before > 0 {
		m.query.Set("before", decimal(q.Before))
	}
	if q.Limit > 0 {
		m.query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.PAP != "" {
		m.query.Set("pap", q.PAP)
	}
	var body entriesBody
	_, err := c.ask(ctx, m, &body)
	return body.Entries, err
}

// Diff implements Service.
func (c *Client) Diff(ctx context.Context, from, to uint64) ([]change.Difference, error) {
	m := get("diff")
	m.query = url.Values{"from": {decimal(from)}, "to": {decimal(to)}}
	var body differences
	_, err := c.ask(ctx, m, &body)
	return body.Differences, err
}

// Rollback implements Service.
func (c *Client) Rollback(ctx context.Context, r change.Request, restore change.Restore) (change.Result, error) {
	return c.change(ctx, r, message{method: http.MethodPost, path: []string{"rollback"}}, restore)
}

// Feed implements Service: it asks again until there is something.
func (c *Client) Feed(ctx context.Context, after authz.Revision) (change.Set, error) {
	for {
		set, some, err := c.poll(ctx, after, DefaultHold)
		if some || err != nil {
			return set, err
		}
	}
}

// Report implements Service. The server takes the identity of the caller.
func (c *Client) Report(ctx context.Context, f change.Follower) error {
	m := message{method: http.MethodPut, path: []string{"followers", f.Name}}
	return c.send(ctx, m, progress{Applied: f.Applied, Settled: f.Settled})
}

// Forget implements Service.
func (c *Client) Forget(ctx context.Context, name string) error {
	_, err := c.ask(ctx, message{method: http.MethodDelete, path: []string{"followers", name}}, nil)
	return err
}

// Followers implements Service.
func (c *Client) Followers(ctx context.Context) ([]change.Follower, error) {
	var body followers
	_, err := c.ask(ctx, get("followers"), &body)
	return body.Followers, err
}

// Wait implements Service, as long as ctx lasts or else MaxWait.
func (c *Client) Wait(ctx context.Context, revision authz.Revision) ([]change.Follower, error) {
	wait := MaxWait
	if end, ok := ctx.Deadline(); ok {
		wait = max(0, min(wait, time.Until(end)))
	}
	m := get("followers")
	m.query = url.Values{"missing": {FormatRevision(revision)}, "wait": {wait.String()}}
	// Who is missing is told when the time is over, so the answer comes later
	// than ctx ends.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait+lateness)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	defer stop()
	var body followers
	_, err := c.ask(late, m, &body)
	return body.Followers, err
}

// lateness is how long an answer may be on its way after its time.
const lateness = 15 * time.Second
