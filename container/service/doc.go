// Package service says what a service of the container is. Services are data:
// a directory with a description, service.yaml, and one executable.
//
//	name: sleepyAdd
//	documentation: Adds two numbers, slowly.
//	executable: sleepyadd.sh          # a file of this directory
//	methods:
//	  - name: add
//	    documentation: Adds a and b.
//	    parameters:
//	      - {name: a, type: long}
//	      - {name: b, type: long, min: -1000, max: 1000}
//	      - {name: seconds, type: int, min: 0, max: 3600, default: 5}
//	      - {name: note, type: string, optional: true, max-length: 80}
//	    arguments: [add, "{a}", "{b}", "{seconds}", ["-n", "{note}"]]
//	    cpu-time: {default: 10s, maximum: 1h, each: 1s, of: seconds}
//
// The grammar is strict: an unknown key is an error with its line. The types
// are those of XML Schema part 2: string, boolean, int, long, integer,
// decimal, double.
//
// # Arguments
//
// The arguments are a vector, handed to the executable as they are and never to
// a shell. Each element of the template is one argument: words, or words
// around one {parameter}. An element in brackets is a group. An element or a
// group whose parameter the caller left out (it is optional, without default)
// is dropped whole, so a parameter is exactly one argument or none. A value is
// never an option: one that begins with "-" is refused where it would stand at
// the start of an argument, unless the parameter says may-begin-with-dash, or
// is a number whose min is below zero.
//
// A caller may write "-a 1 -b 2" in one string, as the clients of NESSSI did:
// Method.Split cuts it at the declared parameters, and only there.
//
// # CPU time
//
// A caller who names no CPU time asks for default, plus each times the value of
// the parameter named by of. Nobody asks for more than maximum.
//
// # Approval
//
// A service runs only if an administrator approved its digest, and only from a
// directory that nobody but root and the owner of the service can write
// (DECISIONS 28). The digest is what this prints:
//
//	sha256sum service.yaml sleepyadd.sh | sha256sum
package service
