package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// follow rings the bell for every revision that any process makes, until ctx is
// done. What a broken connection or a compaction hides is found by looking.
func (s *Store) follow(ctx context.Context, at int64) {
	for ctx.Err() == nil {
		s.followFrom(ctx, at+1)
		if at = s.look(ctx); at == 0 {
			sleep(ctx, time.Second)
		}
	}
}

// followFrom reads one watch of etcd until it ends.
func (s *Store) followFrom(ctx context.Context, from int64) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx)) // a cut-off member says so
	defer cancel()
	for news := range s.client.Watch(ctx, s.keys.revision(), clientv3.WithRev(from)) {
		if err := news.Err(); err != nil {
			s.log.Warn("the watch of the store ended; looking and watching again", "store", s.String(), "error", err)
			return
		}
		for _, event := range news.Events {
			if number, err := parseNumber(event.Kv.Value); err == nil && event.Type == clientv3.EventTypePut {
				s.bell.Ring(number)
			}
		}
	}
}

// look rings the bell for what is there now and returns the revision of etcd
// from which to watch on, 0 if there is no answer.
func (s *Store) look(ctx context.Context) int64 {
	st, err := s.begin(ctx)
	if err != nil {
		return 0
	}
	s.bell.Ring(st.number)
	return st.at
}
