package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the measurements of a run, by name and unit.
type results struct {
	names []string // in the order of their first result
	units map[string][]string
	by    map[string]map[string][]float64
}

var procs = regexp.MustCompile(`-\d+$`)

// read adds the results of an output; lines of other kinds are passed over.
func (r *results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || len(f)%2 != 0 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(f[1]); err != nil {
			continue
		}
		name := procs.ReplaceAllString(strings.TrimPrefix(f[0], "Benchmark"), "")
		for i := 2; i < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return fmt.Errorf("%s: want a number before %s, not %q", name, f[i+1], f[i])
			}
			r.add(name, f[i+1], v)
		}
	}
	return lines.Err()
}

func (r *results) add(name, unit string, v float64) {
	if r.by == nil {
		r.by, r.units = map[string]map[string][]float64{}, map[string][]string{}
	}
	if r.by[name] == nil {
		r.by[name] = map[string][]float64{}
		r.names = append(r.names, name)
	}
	if r.by[name][unit] == nil {
		r.units[name] = append(r.units[name], unit)
	}
	r.by[name][unit] = append(r.by[name][unit], v)
}

func (r *results) median(name, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.by[name][unit]))
	n := len(values)
	if n == 0 {
		return 0, false
	}
	return (values[n/2] + values[(n-1)/2]) / 2, true
}

func (r *results) span(name, unit string) (least, most float64) {
	return slices.Min(r.by[name][unit]), slices.Max(r.by[name][unit])
}
