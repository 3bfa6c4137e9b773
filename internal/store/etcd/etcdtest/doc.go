// Package etcdtest tests store/etcd against etcd 3.7: the store's suite over one
// member and over three, members stopped, cut off and killed, and the race of
// many clients for few accounts. It is a module of its own because the server of
// etcd brings more code than all of Gatehouse.
//
// Members run in processes of their own, so that they can be killed: the test's
// program starts itself again.
package etcdtest
