package profile

// Obligations of the gLite and EMI profiles: the enforcement point maps the
// caller to a local account; the posix forms carry the result.
const (
	ObligationMap      = glite + "obligation/local-environment-map"
	ObligationPosix    = glite + "obligation/local-environment-map/posix" // user-id, group-id/primary, group-id
	ObligationAdmin    = glite + "obligation/local-role/administrator"    // CREAM: the caller administers
	ObligationEMIMap   = emi + "obligation/map-local-user"
	ObligationEMIPosix = emi + "obligation/map-local-user/posix"
)

// Obligations of AuthZ-Interop 1.1 with the attributes of their assignments.
const (
	ObligationUIDGID        = interop + "obligation/uidgid"
	ObligationSecondaryGIDs = interop + "obligation/secondary-gids"
	ObligationUsername      = interop + "obligation/username"
	ObligationAFSToken      = interop + "obligation/afs-token"
	InteropUID              = interop + "attribute/posix-uid"
	InteropGID              = interop + "attribute/posix-gid"
	InteropUsername         = interop + "attribute/username"
	InteropAFSToken         = interop + "attribute/afs-token"
)

// Our own obligations. A limit only ever tightens another.
const (
	ObligationCPUTime    = own + "obligation/cpu-time-limit"  // seconds (integer): CPU time of the whole job
	ObligationWallTime   = own + "obligation/wall-time-limit" // seconds (integer)
	ObligationMapAccount = own + "obligation/map-account"     // account (string): run as this account
)

// Duty is an obligation of our own with the short name that SPL 2 may write
// for its id.
type Duty struct{ Name, ID string }

var duties = []Duty{
	{"cpu-time-limit", ObligationCPUTime},
	{"wall-time-limit", ObligationWallTime},
	{"map-account", ObligationMapAccount},
	{"local-environment-map", ObligationMap},
}

// Duties returns the obligations with short names.
func Duties() []Duty { return append([]Duty(nil), duties...) }
