// Package plugins is the host of plug-ins: programs of their own that offer one
// of Gatehouse's contracts over hashicorp/go-plugin. For now there is one kind,
// [authz.Enricher].
//
// A plug-in is named in configuration by path and SHA-256 ([Config]). At every
// start the host refuses a program that somebody else could have written
// (owner, mode, directories above), copies it into a private directory, checks
// the copy against the SHA-256 and runs the copy: what was checked is what
// runs. The program gets a clean environment, no standard input, no
// descriptors, its own process group, a memory limit, and a 0700 directory for
// its socket, which speaks mutual TLS with keys made for this start.
//
// What comes back is validated again as if it came from a stranger: the call
// it answers, counts, sizes, categories, data types, every value from its text.
// A plug-in only adds attributes. They are Presented and issued by
// "plugin:<name>", so that they can only count against a caller, unless
// configuration lets the plug-in assert that attribute.
//
// A plug-in that exits, hangs, floods its output or breaks the rules is ended;
// its requests fail, which an enforcement point turns into refusals, at once
// while it is down. It is started again after a delay that doubles from a tenth
// of a second to half a minute. Other plug-ins notice nothing.
//
// plugins/sdk is what an author imports, plugins/plugintest the suite that every
// plug-in passes, docs/plugins.md the manual.
package plugins
