package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callLimit is how long one call may take before another member is asked.
const callLimit = 2 * time.Second

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// insist makes a call that does no harm when made twice, again and again until
// some member answers it, ctx is done, or patience runs out.
func (s *Store) insist(ctx context.Context, call func(context.Context) error) error {
	deadline := time.Now().Add(s.patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := within(ctx, min(callLimit, time.Until(deadline)), call)
		switch {
		case err == nil:
			s.trouble.Store(nil)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err):
			return explained(err)
		case time.Now().Add(pause).After(deadline):
			// As text: the deadline of a call is not the caller's.
			err = fmt.Errorf("%w: no member of etcd took the request within %s: %s", store.ErrAway, s.patience, err.Error())
			s.trouble.Store(&err)
			return err
		}
		sleep(ctx, pause)
	}
}

// once makes one call. Unlike insist it is for calls that must not be repeated.
func (s *Store) once(ctx context.Context, call func(context.Context) error) error {
	return within(ctx, callLimit, call)
}

func within(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return call(ctx)
}

// tellWhy is an interceptor of gRPC that keeps the reason why no connection could
// be made, a certificate say: the client of etcd would only say that time is up.
func tellWhy(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, conn, options...)
	if status.Code(err) == codes.DeadlineExceeded {
		if _, why, ok := strings.Cut(status.Convert(err).Message(), "latest balancer error: "); ok {
			return status.Error(codes.Unavailable, why)
		}
	}
	return err
}

// sleep waits for about d.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// stale reports that the client's pass at etcd ran out. The client fetched a
// new one after this answer, so that asking again is right.
func stale(err error) bool {
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision)
}

// passing reports that nobody answered, or not now: asking again may help.
func passing(err error) bool { return stale(err) || !refused(err) }

// refused reports that etcd answered and certainly did nothing. Whatever is not
// known to mean that leaves a writer in doubt.
func refused(err error) bool {
	if errors.Is(err, rpctypes.ErrTooManyRequests) {
		return false
	}
	switch codeOf(err) {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented:
		return true
	case codes.ResourceExhausted:
		return errors.Is(err, rpctypes.ErrNoSpace)
	}
	return false
}

func codeOf(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// advice says what an administrator does about an answer of etcd.
var advice = []struct {
	err  error
	text string
}{
	{rpctypes.ErrRequestTooLarge, "let etcd take requests of 1572864 bytes, its default: --max-request-bytes"},
	{rpctypes.ErrTooManyOps, "let etcd take 128 operations per transaction, its default: --max-txn-ops"},
	{rpctypes.ErrNoSpace, "the database of etcd is full: compact and defragment it, or raise --quota-backend-bytes, then etcdctl alarm disarm"},
	{rpctypes.ErrCompacted, "etcd has compacted the revision that this transaction read: it took longer than etcd's --auto-compaction-retention keeps"},
	{rpctypes.ErrPermissionDenied, "grant the user of the store readwrite on its prefix: etcdctl role grant-permission --prefix"},
	{rpctypes.ErrAuthFailed, "see the user and the password file of the store"},
	{rpctypes.ErrUserEmpty, "etcd wants a user and a password, or a client certificate that names a user"},
}

// explained adds what to do about it.
func explained(err error) error {
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return fmt.Errorf("%w: %s", err, a.text)
		}
	}
	return err
}
