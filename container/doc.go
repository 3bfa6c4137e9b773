// Package container hosts services over SOAP 1.1 (document/literal, WS-I Basic
// Profile 1.1) and HTTPS. Every call passes an enforcement point.
//
//	POST /services/<service>            submit, status, list, cancel, purge
//	GET  /services/<service>?wsdl       the service's WSDL 1.1, for anybody
//	GET  /services/                     the names of the services
//	GET  /sandbox/<2>/<id>/<path>       files and directories of a job
//
// # Who calls
//
// The certificate of the TLS connection, and the token of an Authorization
// header (RFC 6750) where tokens are accepted, are judged for each request, so
// that a connection that stays open outlives neither an expiry nor a revocation
// nor a ban. A request with both stands only if both do and an enricher finds
// them to be one person's. One that does not stand gets a fault or a 403 that says why; it is never
// taken for an anonymous caller, who presents none.
//
// # Two decisions
//
// Each operation asks: may this caller use this service and action?
// (resource-id: the service's endpoint or what the configuration calls it.) One
// on a job or a sandbox asks as well: may this caller act on a job of this
// owner? (resource-id "job:<tag>" or "sandbox:<tag>", with the attributes owner
// and caller-is-owner.) A tag is a hash of the session id, which itself is a
// secret and stands in no request and no audit record.
//
// A permit of the second question is not enough for somebody else's job unless
// Config.Operators is set: rules of the kind "everybody of this VO may do
// everything" are older than jobs with owners.
//
// # Owners
//
// A job belongs to an identity: the end entity's name with its issuer's, or a
// token's subject with its issuer. An
// anonymous job belongs to whoever names its id. Who names the id of somebody
// else's job learns nothing by it: the answer is the one for a job that does
// not exist, whatever was decided. An owner who is refused reads why.
//
// # Judging again
//
// When the policies change, jobs that are not done are judged again, by the
// attributes that their submission was judged by. Deny cancels a job at once.
// NotApplicable cancels it after Config.Grace, because replacing a set of
// policies passes through a moment without any. No answer cancels nothing.
package container
