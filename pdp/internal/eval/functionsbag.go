package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// bags are A.3.10. Network addresses and DNS names came with XACML 2.0.
func (l functions) bags() {
	for _, t := range named {
		l.bagsOf(t.name, t.typ, versions(t.name)...)
	}
	l.bagsOf("ipAddress", authz.IPAddress, two0)
	l.bagsOf("dnsName", authz.DNSName, two0)
}

func (l functions) bagsOf(name string, t authz.DataType, versions ...string) {
	single, several := typ{data: t}, typ{data: t, bag: true}
	l.add(name+"-one-and-only", &function{params: []typ{several}, result: single, only: true, call: func(a []operand) (operand, error) {
		v, err := onlyOne(a[0].bag)
		if err != nil {
			return operand{}, err
		}
		return one(*v), nil
	}}, versions...)
	l.add(name+"-bag-size", &function{params: []typ{several}, result: typ{data: authz.Integer}, call: func(a []operand) (operand, error) {
		return one(authz.IntegerValue(int64(len(a[0].bag)))), nil
	}}, versions...)
	l.add(name+"-is-in", &function{params: []typ{single, several}, result: boolean, call: func(a []operand) (operand, error) {
		return truth(has(a[1].bag, a[0].value)), nil
	}}, versions...)
	l.add(name+"-bag", &function{rest: &single, result: several, call: func(a []operand) (operand, error) {
		bag := make([]authz.Value, len(a))
		for i := range a {
			bag[i] = a[i].value
		}
		return operand{bag: bag}, nil
	}}, versions...)
}

func onlyOne(bag []authz.Value) (*authz.Value, error) {
	if len(bag) != 1 {
		return nil, fmt.Errorf("a bag of %d values where one and only one is needed", len(bag))
	}
	return &bag[0], nil
}

func has(bag []authz.Value, v authz.Value) bool {
	for i := range bag {
		if bag[i].Equal(v) {
			return true
		}
	}
	return false
}

// sets are A.3.11. What they return has no duplicates by the type's equality.
func (l functions) sets() {
	for _, t := range named {
		l.setsOf(t.name, t.typ, versions(t.name)...)
	}
}

func (l functions) setsOf(name string, t authz.DataType, versions ...string) {
	bag := typ{data: t, bag: true}
	two := []typ{bag, bag}
	l.add(name+"-intersection", &function{params: two, result: bag, call: func(a []operand) (operand, error) {
		var both []authz.Value
		for _, v := range a[0].bag {
			if has(a[1].bag, v) && !has(both, v) {
				both = append(both, v)
			}
		}
		return operand{bag: both}, nil
	}}, versions...)
	l.add(name+"-union", &function{params: two, rest: &bag, result: bag, call: func(a []operand) (operand, error) {
		var all []authz.Value
		for i := range a {
			for _, v := range a[i].bag {
				if !has(all, v) {
					all = append(all, v)
				}
			}
		}
		return operand{bag: all}, nil
	}}, versions...)
	l.add(name+"-at-least-one-member-of", &function{params: two, result: boolean, call: func(a []operand) (operand, error) {
		for _, v := range a[0].bag {
			if has(a[1].bag, v) {
				return yes, nil
			}
		}
		return no, nil
	}}, versions...)
	l.add(name+"-subset", &function{params: two, result: boolean, call: func(a []operand) (operand, error) {
		return truth(within(a[0].bag, a[1].bag)), nil
	}}, versions...)
	l.add(name+"-set-equals", &function{params: two, result: boolean, call: func(a []operand) (operand, error) {
		return truth(within(a[0].bag, a[1].bag) && within(a[1].bag, a[0].bag)), nil
	}}, versions...)
}

func within(bag, other []authz.Value) bool {
	for _, v := range bag {
		if !has(other, v) {
			return false
		}
	}
	return true
}
