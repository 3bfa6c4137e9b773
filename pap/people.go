package pap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// PutPersons adds or replaces persons; one without an ID gets one.
func (s *Service) PutPersons(ctx context.Context, r change.Request, persons ...change.Person) (change.Result, error) {
	return s.ChangePersons(ctx, r, persons, nil)
}

// RemovePersons removes persons by their ids.
func (s *Service) RemovePersons(ctx context.Context, r change.Request, ids ...string) (change.Result, error) {
	return s.ChangePersons(ctx, r, nil, ids)
}

// ChangePersons removes some persons and puts others as one change. The ids of
// the result are those put, then those removed.
func (s *Service) ChangePersons(ctx context.Context, r change.Request, put []change.Person, remove []string) (change.Result, error) {
	return s.change(ctx, r, describePersons(put, remove), []any{put, remove}, func(d *draft) error {
		for _, id := range remove {
			if id == "" || len(id) > maxID || !d.remove(change.Edit{Person: &change.Person{ID: id}}) {
				return fmt.Errorf("person %q %w", id, change.ErrNotFound)
			}
		}
		for _, p := range put {
			if err := d.putPerson(p); err != nil {
				return err
			}
		}
		d.result.IDs = append(d.result.IDs, remove...)
		return nil
	})
}

// describePersons is the line of history.
func describePersons(put []change.Person, remove []string) string {
	var parts []string
	if len(put) > 0 || len(remove) == 0 {
		parts = append(parts, "put "+counted(len(put), "person", "persons"))
	}
	if len(remove) > 0 {
		parts = append(parts, "remove "+counted(len(remove), "person", "persons"))
	}
	return strings.Join(parts, ", ")
}

func (d *draft) putPerson(p change.Person) error {
	for _, link := range p.Links {
		if _, err := nameKey(link); err != nil {
			return err
		}
	}
	if err := source.CheckPerson(p); err != nil {
		return fmt.Errorf("%w: person %q: %w", change.ErrInvalid, p.ID, err)
	}
	if len(p.Comment) > maxText || len(p.Imported) > maxText {
		return fmt.Errorf("%w: person %q: comment and file name take at most %d bytes", change.ErrInvalid, p.ID, maxText)
	}
	if p.ID == "" {
		p.ID = newID()
	}
	if err := mustFit(p.ID); err != nil {
		return err
	}
	d.put(change.Edit{Person: &p})
	d.result.IDs = append(d.result.IDs, p.ID)
	return nil
}

// Persons returns all persons by their ids.
func (s *Service) Persons(ctx context.Context) ([]change.Person, error) {
	var persons []change.Person
	err := s.read(ctx, func(r *records) error { persons = slices.Collect(r.Persons()); return nil })
	return persons, err
}

// PutRows adds or replaces attribute names of the site's own.
func (s *Service) PutRows(ctx context.Context, r change.Request, rows ...change.Row) (change.Result, error) {
	return s.change(ctx, r, "put "+counted(len(rows), "attribute", "attributes"), rows, func(d *draft) error {
		for _, row := range rows {
			if row.Name == "" || row.ID == "" || row.Category == "" || !row.Type.Known() {
				return fmt.Errorf("%w: attribute %q needs a name, an id, a category and a known type", change.ErrInvalid, row.Name)
			}
			if err := mustFit(row.Name); err != nil {
				return err
			}
			d.put(change.Edit{Row: &row})
			d.result.IDs = append(d.result.IDs, row.Name)
		}
		return nil
	})
}

// RemoveRows removes attribute names. It fails with ErrPolicy while a unit of an
// enabled PAP uses one.
func (s *Service) RemoveRows(ctx context.Context, r change.Request, names ...string) (change.Result, error) {
	return s.change(ctx, r, "remove "+counted(len(names), "attribute", "attributes"), names, func(d *draft) error {
		for _, name := range names {
			if name == "" || len(name) > maxID || !d.remove(change.Edit{Row: &change.Row{Name: name}}) {
				return fmt.Errorf("attribute %q %w", name, change.ErrNotFound)
			}
		}
		d.result.IDs = names
		return nil
	})
}

// Rows returns the attribute names of the site's own.
func (s *Service) Rows(ctx context.Context) ([]change.Row, error) {
	var rows []change.Row
	err := s.read(ctx, func(r *records) error { rows = slices.Collect(r.Rows()); return nil })
	return rows, err
}

// counted is a number of things, for the history.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
