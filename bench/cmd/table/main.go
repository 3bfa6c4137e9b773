// Command table turns what go test -bench printed into Markdown: medians over
// all counts and runs, and ratios.
//
//	go test -run '^$' -bench . -count 5 . | go run ./cmd/table
//	go run ./cmd/table -base gatehouse run1.txt run2.txt
//
// Benchmarks named Name/N=…/subject[/pool] become one matrix for each name and
// pool, of one unit by subject and N with the ratio to the base; the others become
// a row each, with every unit that they report.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	unit := flag.String("unit", "ns/op", "the `unit` of the matrices, such as cpu-ns/op")
	base := flag.String("base", "gatehouse", "the `subject` that ratios are to")
	flag.Parse()
	if err := run(os.Stdout, os.Stdin, *base, *unit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

// run reads the files, or in if there are none.
func run(out io.Writer, in io.Reader, base, unit string, files []string) error {
	var r results
	if len(files) == 0 {
		if err := r.read(in); err != nil {
			return err
		}
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = r.read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(r.names) == 0 {
		return fmt.Errorf("no benchmark results: want the output of go test -bench")
	}
	return r.write(out, base, unit)
}
