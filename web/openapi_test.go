package web

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// schema is what this test reads of a JSON schema.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"` // a string or a list of them
	Format     string            `json:"format"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	Additional any               `json:"additionalProperties"`
	OneOf      []schema          `json:"oneOf"`
}

type description struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		Parameters []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
		Responses map[string]any `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

func readDescription(t *testing.T) description {
	t.Helper()
	var d description
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q", d.OpenAPI)
	}
	return d
}

// TestDescriptionRoutes: what is served to programs is described, and nothing
// else is.
func TestDescriptionRoutes(t *testing.T) {
	desk := newDesk(t)
	h, err := newHandler(desk.o)
	if err != nil {
		t.Fatal(err)
	}
	var served, described []string
	for _, r := range h.routes() {
		if isProgram(r.path) {
			served = append(served, strings.ToLower(r.method)+" "+r.path)
		}
	}
	d := readDescription(t)
	for path, operations := range d.Paths {
		for method := range operations {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served:    %q\ndescribed: %q", served, described)
	}
	var params []string
	for _, p := range d.Paths["/api/v1/tickets"]["get"].Parameters {
		params = append(params, p.Name)
	}
	if !slices.Equal(params, filterParams) {
		t.Errorf("parameters described: %q, read: %q", params, filterParams)
	}
	if got := get(t, desk.handler(), "/api/v1/openapi.json"); got.Code != 200 || got.Body.String() != string(openAPI) {
		t.Errorf("served: status %d, %d bytes", got.Code, got.Body.Len())
	}
}

// TestDescriptionSchemas walks the Go types and the schemas side by side.
func TestDescriptionSchemas(t *testing.T) {
	d := readDescription(t)
	w := walker{t: t, schemas: d.Components.Schemas, used: map[string]bool{}}
	for name, v := range map[string]any{
		"View": ticket.View{}, "Detail": ticket.Detail{}, "Change": ticket.Change{}, "TicketList": TicketList{}, "Stats": store.Stats{}, "UnfiledList": UnfiledList{}, "LedgerPage": LedgerPage{}, "Readiness": Readiness{}, "Error": errorAnswer{},
	} {
		w.check(name, reflect.TypeOf(v), schema{Ref: "#/components/schemas/" + name})
	}
	for name := range d.Components.Schemas {
		if !w.used[name] {
			t.Errorf("schema %s describes nothing", name)
		}
	}
	enum := func(name string, want any) {
		b, _ := json.Marshal(want)
		got, _ := json.Marshal(d.Components.Schemas[name].Enum)
		if string(b) != string(got) {
			t.Errorf("%s lists %s, the program knows %s", name, got, b)
		}
	}
	enum("Type", ticket.Types())
	enum("Status", ticket.Statuses())
	enum("Priority", ticket.Priorities())
	enum("TermCode", ticket.TermCodes())
	enum("Disposition", ticket.Dispositions())
}

type walker struct {
	t       *testing.T
	schemas map[string]schema
	used    map[string]bool
}

// check compares one type with one schema; at names the place.
func (w walker) check(at string, typ reflect.Type, s schema) {
	nullable := false
	if len(s.OneOf) == 2 && s.OneOf[1].Type == "null" {
		nullable, s = true, s.OneOf[0]
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		target, found := w.schemas[name]
		if !found {
			w.t.Errorf("%s: no schema %s", at, name)
			return
		}
		if w.used[name] && target.Properties != nil {
			return
		}
		w.used[name] = true
		s = target
	}
	kind := s.Type
	if list, ok := kind.([]any); ok && len(list) == 2 && list[1] == "null" {
		nullable, kind = true, list[0]
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
		if !nullable && !strings.Contains(at, "?") {
			w.t.Errorf("%s may be null", at)
		}
	}
	want := ""
	switch {
	case typ == reflect.TypeFor[time.Time]():
		want = "string"
		if s.Format != "date-time" {
			w.t.Errorf("%s is a time", at)
		}
	case typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		want = "string"
	case typ.Kind() == reflect.Struct, typ.Kind() == reflect.Map:
		want = "object"
	case typ.Kind() == reflect.Slice:
		want = "array"
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.Float64:
		want = "number"
	case typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Uint64:
		want = "integer"
	}
	if kind != want {
		w.t.Errorf("%s is %v in the description and %s in Go", at, kind, want)
		return
	}
	switch {
	case want == "array":
		w.check(at+"[]", typ.Elem(), *s.Items)
	case want == "object" && typ.Kind() == reflect.Struct:
		w.checkFields(at, typ, s)
	case want == "object":
		var values schema
		b, _ := json.Marshal(s.Additional)
		if err := json.Unmarshal(b, &values); err != nil {
			w.t.Errorf("%s: %v", at, err)
			return
		}
		w.check(at+"{}", typ.Elem(), values)
	}
}

func (w walker) checkFields(at string, typ reflect.Type, s schema) {
	fields := make(map[string]bool)
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		fields[name] = true
		property, ok := s.Properties[name]
		if !ok {
			w.t.Errorf("%s lacks %s", at, name)
			continue
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if slices.Contains(s.Required, name) == optional {
			w.t.Errorf("%s.%s is optional: %t", at, name, optional)
		}
		place := at + "." + name
		if optional {
			place += "?"
		}
		w.check(place, f.Type, property)
	}
	for name := range s.Properties {
		if !fields[name] {
			w.t.Errorf("%s describes %s, which is not there", at, name)
		}
	}
}
