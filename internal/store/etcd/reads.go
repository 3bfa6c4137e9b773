package etcd

import (
	"maps"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// reads is what an update has seen, to be compared when it commits. A nil one
// remembers nothing.
type reads struct {
	number     bool
	namespaces map[string]*namespaceReads
}

type namespaceReads struct {
	keys   map[string]int64 // key in etcd -> revision of its last change, 0 if it was not there
	ranges []keyRange
}

// keyRange is [start, end).
type keyRange struct{ start, end string }

func newReads() *reads { return &reads{namespaces: map[string]*namespaceReads{}} }

func (r *reads) sawNumber() {
	if r != nil {
		r.number = true
	}
}

func (r *reads) of(namespace string) *namespaceReads {
	if r.namespaces[namespace] == nil {
		r.namespaces[namespace] = &namespaceReads{keys: map[string]int64{}}
	}
	return r.namespaces[namespace]
}

func (r *reads) sawKey(namespace, key string, mod int64) {
	if r != nil {
		r.of(namespace).keys[key] = mod
	}
}

func (r *reads) sawRange(namespace, start, end string) {
	if r == nil {
		return
	}
	n := r.of(namespace)
	if seen := (keyRange{start, end}); !slices.Contains(n.ranges, seen) {
		n.ranges = append(n.ranges, seen)
	}
}

// compares are the conditions under which nothing that was seen has changed
// since the revision at, as at most limit comparisons if that can be done.
func (r *reads) compares(l layout, at int64, limit int) []clientv3.Cmp {
	all := r.list(l, at)
	if len(all) > limit {
		r.coarsen()
		all = r.list(l, at)
	}
	return all
}

func (r *reads) list(l layout, at int64) (all []clientv3.Cmp) {
	for _, namespace := range slices.Sorted(maps.Keys(r.namespaces)) {
		n := r.namespaces[namespace]
		for _, key := range slices.Sorted(maps.Keys(n.keys)) {
			all = append(all, clientv3.Compare(clientv3.ModRevision(key), "=", n.keys[key]))
		}
		for _, seen := range n.ranges {
			all = append(all, clientv3.Compare(clientv3.ModRevision(seen.start).WithRange(seen.end), "<", at+1))
		}
		if len(n.ranges) > 0 {
			all = append(all, clientv3.Compare(clientv3.ModRevision(l.removed(namespace)), "<", at+1))
		}
	}
	return all
}

// coarsen covers what was seen of each namespace by one range: the update may
// now lose to one that touched what lies between, but is no less right.
func (r *reads) coarsen() {
	for _, n := range r.namespaces {
		var hull *keyRange
		cover := func(start, end string) {
			if hull == nil {
				hull = &keyRange{start, end}
				return
			}
			hull.start, hull.end = min(hull.start, start), max(hull.end, end)
		}
		for key := range n.keys {
			cover(key, key+"\x00")
		}
		for _, seen := range n.ranges {
			cover(seen.start, seen.end)
		}
		n.keys, n.ranges = map[string]int64{}, []keyRange{*hull}
	}
}
