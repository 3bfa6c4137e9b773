// Package soap reads and writes SOAP 1.1 envelopes and carries them over HTTP, for servers and clients, with the
// habits of the WS-I Basic Profile 1.1: literal bodies, a prefixed faultcode, faults with status 500, and a
// SOAPAction that is quoted when sent and taken in any form when received.
//
// A server is a Handler. It works in two steps, so that nothing is done before the whole envelope has been
// checked: Decode turns the child of the Body into a Call, and only then the Call runs.
//
//	h := &soap.Handler{Decode: func(r *xml.Reader, start xml.Token) (soap.Call, error) {
//		if start.Name != submit {
//			return nil, r.Unexpected(start)
//		}
//		job, err := decodeJob(r, start)
//		return func(req *http.Request) (soap.Body, error) { return service.submit(req.Context(), job) }, err
//	}}
//
// A client is a Client. Either side reports what the other did wrong as a *Fault or an error that says where.
//
// Envelopes of other versions, unknown headers that must be understood, a second child of the Body, anything
// after the Body and all that internal/xml refuses are refused.
package soap
