package gridmapdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

const (
	maxRounds  = 10 // poolAccountLookupMaxIterations of Argus
	touchEvery = 10 * time.Minute
)

// errAgain asks for another round.
var errAgain = errors.New("somebody else was faster, or the lease links to no account of the pool")

// errBroken is what an operator must mend.
var errBroken = errors.New("the lease links to no account of this pool, or to one with other leases too: look at the link counts and remove what is wrong")

// Lease finds or makes the lease of a key.
func (d *Dir) Lease(ctx context.Context, k pool.Key, _ pool.Cause) (pool.Lease, error) {
	full, err := leaseName(k, d.config.SecondaryGroups)
	if err != nil {
		return pool.Lease{}, err
	}
	for range maxRounds {
		l, err := d.round(ctx, k, full)
		if !errors.Is(err, errAgain) {
			return l, err
		}
		select { // as long as Argus waits
		case <-time.After(time.Duration(10+rand.IntN(90)) * time.Millisecond):
		case <-ctx.Done():
			return pool.Lease{}, ctx.Err()
		}
	}
	return pool.Lease{}, fmt.Errorf("%w: %s: %w", pool.ErrUnusable, full, errBroken)
}

// round is one try to find or make a lease.
func (d *Dir) round(ctx context.Context, k pool.Key, full string) (pool.Lease, error) {
	file, hash := fileName(full)
	lease, _, err := d.look(file)
	if err != nil {
		return pool.Lease{}, err
	}
	if lease != nil {
		if err := d.checkIndex(hash, full); err != nil {
			return pool.Lease{}, err
		}
		account, err := d.accountOf(k.Pool, lease)
		if err != nil {
			return pool.Lease{}, err
		}
		return d.use(ctx, k, account, file)
	}
	return d.makeLease(ctx, k, full)
}

// accountOf finds the account of the pool that a lease links to.
func (d *Dir) accountOf(name string, lease fs.FileInfo) (string, error) {
	members, err := d.members(name)
	if err != nil {
		return "", err
	}
	for _, account := range members {
		info, links, err := d.look(account)
		if err != nil || info == nil || !os.SameFile(info, lease) {
			continue
		}
		if links != 2 {
			return "", errAgain
		}
		return account, nil
	}
	return "", errAgain
}

// use checks the account of a lease, marks it as used and returns it.
func (d *Dir) use(ctx context.Context, k pool.Key, account, file string) (pool.Lease, error) {
	local, err := d.user(ctx, account)
	if err != nil {
		return pool.Lease{}, fmt.Errorf("%s: %w: account %s: %w; remove the lease %s if another may be given", k, pool.ErrUnusable, account, err, file)
	}
	now := d.config.Now()
	info, links, err := d.look(account)
	if err != nil {
		return pool.Lease{}, err
	}
	if info == nil || links != 2 {
		return pool.Lease{}, errAgain
	}
	if now.Sub(info.ModTime()) >= touchEvery || info.ModTime().After(now) {
		if err := d.root.Chtimes(account, now, now); err != nil {
			d.config.Log.Warn("the use of a pool account cannot be noted in the gridmapdir: whoever expires leases by age may expire it", "account", account, "error", err)
		}
	}
	return pool.Lease{Key: k, Account: account, UID: local.UID, Used: info.ModTime().UTC(), File: file, Local: local}, nil
}

// makeLease links a free account to the name of the lease.
func (d *Dir) makeLease(ctx context.Context, k pool.Key, full string) (pool.Lease, error) {
	members, err := d.members(k.Pool)
	if err != nil {
		return pool.Lease{}, err
	}
	if len(members) == 0 {
		return pool.Lease{}, fmt.Errorf("%w: the gridmapdir has no accounts %s001 and so on", pool.ErrNoPool, k.Pool)
	}
	all, err := d.accounts()
	if err != nil {
		return pool.Lease{}, err
	}
	tried := 0
	for _, account := range members {
		info, links, err := d.look(account)
		if err != nil || info == nil || links != 1 {
			d.warn(account, err)
			continue
		}
		if err := d.usable(ctx, account, all); err != nil {
			if ctx.Err() != nil {
				return pool.Lease{}, ctx.Err()
			}
			d.warn(account, err)
			continue
		}
		tried++
		l, err := d.link(ctx, k, account, info, full)
		if !errors.Is(err, errNext) {
			return l, err
		}
	}
	if tried > 0 {
		return pool.Lease{}, errAgain
	}
	return pool.Lease{}, fmt.Errorf("%s: %w: %d accounts in the gridmapdir", k, pool.ErrExhausted, len(members))
}

func (d *Dir) warn(account string, err error) {
	if err != nil {
		d.config.Log.Warn("an account of the gridmapdir cannot be used", "account", account, "error", err)
	}
}

// errNext: this account was taken meanwhile, the next may be free.
var errNext = errors.New("the account was taken")

// link makes the lease and looks whether it was alone in that.
func (d *Dir) link(ctx context.Context, k pool.Key, account string, info fs.FileInfo, full string) (pool.Lease, error) {
	file, hash := fileName(full)
	if err := d.writeIndex(hash, full); err != nil {
		return pool.Lease{}, err
	}
	err := d.root.Link(account, file)
	switch {
	case errors.Is(err, fs.ErrExist): // a lease of the same key, made meanwhile
		return pool.Lease{}, errAgain
	case errors.Is(err, fs.ErrNotExist):
		return pool.Lease{}, errNext
	case err != nil:
		return pool.Lease{}, fmt.Errorf("gridmapdir: %w", err)
	}
	lease, links, err := d.look(file)
	if err == nil && lease != nil && os.SameFile(lease, info) && links == 2 {
		return d.use(ctx, k, account, file)
	}
	// Two leases went to one account, or the account was exchanged under our
	// hands. Only our own link is taken back.
	if err := d.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pool.Lease{}, fmt.Errorf("gridmapdir: lease %s links to account %s, which has %d links, and cannot be taken back: %w", file, account, links, err)
	}
	if err != nil {
		return pool.Lease{}, err
	}
	return pool.Lease{}, errAgain
}

// user looks an account up and remembers its number.
func (d *Dir) user(ctx context.Context, account string) (authz.Account, error) {
	local, err := d.config.Directory.User(ctx, account)
	if err == nil {
		d.mu.Lock()
		d.uids[account] = local.UID
		d.mu.Unlock()
	}
	return local, err
}

// usable reports whether an account may be given away: the directory knows it,
// the rules allow it, and no account of any pool that is given away has its
// number.
func (d *Dir) usable(ctx context.Context, account string, all []string) error {
	local, err := d.user(ctx, account)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other == account {
			continue
		}
		if _, links, err := d.look(other); err != nil || links < 2 {
			continue
		}
		d.mu.Lock()
		uid, known := d.uids[other]
		d.mu.Unlock()
		if !known {
			found, err := d.user(ctx, other)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				continue // nobody can use it
			}
			uid = found.UID
		}
		if uid == local.UID {
			return fmt.Errorf("%s, which is in somebody's hands, has the same uid %d", other, uid)
		}
	}
	return nil
}

// Look finds the lease of a key and changes nothing.
func (d *Dir) Look(ctx context.Context, k pool.Key) (pool.Lease, error) {
	full, err := leaseName(k, d.config.SecondaryGroups)
	if err != nil {
		return pool.Lease{}, err
	}
	file, hash := fileName(full)
	lease, _, err := d.look(file)
	if err != nil {
		return pool.Lease{}, err
	}
	if lease == nil {
		return pool.Lease{}, fmt.Errorf("%s: %w", k, pool.ErrNoLease)
	}
	if err := d.checkIndex(hash, full); err != nil {
		return pool.Lease{}, err
	}
	account, err := d.accountOf(k.Pool, lease)
	if errors.Is(err, errAgain) {
		err = fmt.Errorf("%w: %s: %w", pool.ErrUnusable, full, errBroken)
	}
	if err != nil {
		return pool.Lease{}, err
	}
	local, err := d.user(ctx, account)
	if err != nil {
		return pool.Lease{}, fmt.Errorf("%s: %w: account %s: %w", k, pool.ErrUnusable, account, err)
	}
	return pool.Lease{Key: k, Account: account, UID: local.UID, Used: lease.ModTime().UTC(), File: file, Local: local}, nil
}

// Holds finds a lease by its id, pool.ErrNoLease if the account is no longer
// leased under it.
func (d *Dir) Holds(ctx context.Context, account, id string) (pool.Lease, error) {
	of, ok := d.PoolOf(account)
	info, links, err := d.look(account)
	switch {
	case err != nil:
		return pool.Lease{}, err
	case !ok || info == nil:
		return pool.Lease{}, fmt.Errorf("%w: the gridmapdir has no account %s", pool.ErrNoAccount, account)
	case links != 2:
		return pool.Lease{}, fmt.Errorf("%w: account %s has %d links", pool.ErrNoLease, account, links)
	}
	all, err := d.names()
	if err != nil {
		return pool.Lease{}, err
	}
	for _, file := range all {
		l := pool.Lease{Key: pool.Key{Pool: of}, Account: account, File: file}
		if !strings.HasPrefix(file, "%") || l.ID() != id {
			continue
		}
		lease, _, err := d.look(file)
		if err != nil || lease == nil || !os.SameFile(lease, info) {
			break
		}
		return d.use(ctx, l.Key, account, file)
	}
	return pool.Lease{}, fmt.Errorf("%w: account %s is no longer leased under %s", pool.ErrNoLease, account, id)
}

// writeIndex keeps the name of a lease whose file has a hash for a name.
func (d *Dir) writeIndex(hash, full string) error {
	if hash == "" {
		return nil
	}
	f, err := d.root.OpenFile(indexPrefix+hash, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		if d.checkIndex(hash, full) != nil {
			return errAgain // somebody may be writing it just now
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("gridmapdir: %w", err)
	}
	_, err = f.WriteString(full)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = d.root.Remove(indexPrefix + hash)
		return fmt.Errorf("gridmapdir: %w", err)
	}
	return nil
}

// checkIndex makes sure that a hash stands for the name.
func (d *Dir) checkIndex(hash, full string) error {
	if hash == "" {
		return nil
	}
	found, err := d.fullName(hashedPrefix + hash)
	if err == nil && found != full {
		err = fmt.Errorf("%w: %s%s holds another name", errUnsafeFile, indexPrefix, hash)
	}
	return err
}

// fullName is the name of the lease in a file.
func (d *Dir) fullName(file string) (string, error) {
	hash, hashed := strings.CutPrefix(file, hashedPrefix)
	if !hashed {
		return file, nil
	}
	if info, _, err := d.look(indexPrefix + hash); err != nil || info == nil {
		return "", errors.Join(err, fmt.Errorf("%w: %s%s, which holds the name of a lease, is missing", errUnsafeFile, indexPrefix, hash))
	}
	f, err := d.root.Open(indexPrefix + hash)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(f, most))
	return string(text), err
}
