// Command gatehouse-plugin-groupfile is a Gatehouse plug-in that adds people's
// groups from a local file to each request. Package plugins/groupfile says what
// the file looks like; docs/plugins.md how to configure it.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/gatehouse-authz/gatehouse/plugins/groupfile"
	"github.com/gatehouse-authz/gatehouse/plugins/sdk"
)

func main() {
	path := flag.String("file", "", "the group file, an absolute path")
	attribute := flag.String("attribute", groupfile.DefaultAttribute, "the attribute id under which groups are added")
	flag.Parse()
	if *path == "" {
		fmt.Fprintln(os.Stderr, "gatehouse-plugin-groupfile: which group file? give -file")
		os.Exit(1)
	}
	groups, err := groupfile.Open(*path, *attribute)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse-plugin-groupfile: -file:", err)
		os.Exit(1)
	}
	sdk.Serve(sdk.Plugin{Name: "groupfile", Version: "1.0", Enricher: groups})
}
