// Package conf reads a configuration: one strict YAML file into a Go struct
// that already holds the defaults.
//
// Strict means that nothing is guessed and nothing is dropped. An unknown key,
// a key that stands twice, a key without a value, a second document, an anchor
// or an alias, and a value of the wrong type are all errors, each with file,
// line and column, the line itself and, where a name is close, the name that
// was probably meant. All of them are reported at once.
//
//	listen: 127.0.0.1:8150
//	store: {path: /var/lib/gatehouse/pap.db}     # Path: relative to this file
//	key: /etc/grid-security/hostkey.pem          # Secret: checked when read
//	max-stale: 4h                                # Duration
//	body-limit: 64MiB                            # Size
//
// The struct names its keys with `yaml:"name"` tags; without one the key is
// the field's name with hyphens, so MaxStale is max-stale. Fields may be
// structs, slices, maps with string keys, pointers to these, scalars, and
// types that implement yaml.Unmarshaler or encoding.TextUnmarshaler. A type
// with a method Check() error is asked after its fields are set, and what it
// says is reported at its place in the file.
package conf
