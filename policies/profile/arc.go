package profile

const arc = "http://www.nordugrid.org/schemas/policy-arc/types/"

// Attributes that ARC's arched gives to its own decision points (ARC 6).
const (
	ARCLocalEndpoint  = arc + "tcp/localendpoint"
	ARCRemoteEndpoint = arc + "tcp/remoteendpoint"
	ARCSubject        = arc + "tls/subject"
	ARCIssuer         = arc + "tls/ca"
	ARCChain          = arc + "tls/chain"
	ARCIdentity       = arc + "tls/identity"
	ARCVOMS           = arc + "tls/vomsattribute"
	ARCHostIdentity   = arc + "tls/hostidentity"
	ARCPath           = arc + "http/path"
	ARCMethod         = arc + "http/method"
	ARCSOAPEndpoint   = arc + "soap/endpoint"
	ARCSOAPOperation  = arc + "soap/operation"
	ARCSOAPNamespace  = arc + "soap/namespace"
	ARCOperation      = arc + "a-rex/operation"    // Admin, Info
	ARCJobOperation   = arc + "a-rex/joboperation" // Create, Modify, Read
)

// Attributes of AuthZ-Interop 1.1 that stand where others stand in the
// profiles above.
const (
	InteropSubject     = interop + "subject/subject-x509-id"
	InteropIssuer      = interop + "subject/subject-x509-issuer"
	InteropVO          = interop + "subject/vo"
	InteropChain       = interop + "subject/cert-chain"
	InteropFQAN        = interop + "subject/voms-fqan"
	InteropPrimaryFQAN = interop + "subject/voms-primary-fqan"
	InteropVOMSSubject = interop + "subject/voms-signing-subject"
	InteropVOMSIssuer  = interop + "subject/voms-signing-issuer"
	InteropSerial      = interop + "subject/certificate-serial-number"
	InteropCASerial    = interop + "subject/ca-serial-number"
	InteropCAPolicy    = interop + "subject/ca-policy-oid"
	InteropVOMSPort    = interop + "subject/voms-dns-port"
	InteropGeneric     = interop + "subject/generic-attribute"
	InteropWorkerNode  = interop + "resource/resource-type/wn"
	InteropExecuteNow  = interop + "action/action-type/execute-now"
)
