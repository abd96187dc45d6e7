package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// locate returns a function that tells on which line a key such as
// "mailbox[1].imap.security" stands. A key that the file lacks is answered with
// the line of the table around it, 0 if that is missing too.
func locate(data []byte) func(key string) int {
	lines := map[string]int{}
	arrays := map[string]int{}
	prefix := ""
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		path, line := prefix, 0
		if e.Kind != unstable.KeyValue {
			path = ""
		}
		for it := e.Key(); it.Next(); {
			n := it.Node()
			if line == 0 {
				line = p.Shape(n.Raw).Start.Line
			}
			path = dot(path, string(n.Data))
			// A table below an array of tables belongs to its last element.
			if i, ok := arrays[path]; ok && (e.Kind == unstable.Table || !it.IsLast()) {
				path = fmt.Sprintf("%s[%d]", path, i)
			}
		}
		switch e.Kind {
		case unstable.Table:
			prefix = path
		case unstable.ArrayTable:
			n, ok := arrays[path]
			if ok {
				n++
			}
			arrays[path] = n
			prefix = fmt.Sprintf("%s[%d]", path, n)
			path = prefix
		}
		lines[path] = line
	}
	return func(key string) int {
		for key != "" {
			if n, ok := lines[key]; ok {
				return n
			}
			i := strings.LastIndexByte(key, '.')
			if i < 0 {
				break
			}
			key = key[:i]
		}
		return 0
	}
}

func dot(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

// fieldAt follows a key into the configuration's types.
func fieldAt(key []string) (reflect.Type, bool) {
	t := reflect.TypeFor[Config]()
	for _, k := range key {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, false
		}
		found := false
		for f := range fields(t) {
			if f.Tag.Get("toml") == k {
				t, found = f.Type, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, true
}

func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// allowedKeys says which keys the table of an unknown key has.
func allowedKeys(key []string) string {
	for n := len(key) - 1; n >= 0; n-- {
		t, ok := fieldAt(key[:n])
		if !ok {
			continue
		}
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		var names []string
		for f := range fields(t) {
			names = append(names, f.Tag.Get("toml"))
		}
		where := "at the top level"
		if n > 0 {
			where = "in [" + strings.Join(key[:n], ".") + "]"
		}
		return fmt.Sprintf("%s are allowed: %s", where, strings.Join(names, ", "))
	}
	return ""
}

// wantedType says what a key's value must be.
func wantedType(key []string) string {
	t, ok := fieldAt(key)
	if !ok || len(key) == 0 {
		return ""
	}
	return "; want " + typeName(t)
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return `a duration such as "30s"`
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "an array of tables"
	case t.Kind() == reflect.Slice:
		return "an array of strings"
	}
	return "a table"
}

// configReference writes docs/configuration.md from the types.
func configReference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

The file is TOML. Unknown keys are errors: ` + "`radicado config check FILE`" + ` names the line, the key and what is
allowed; ` + "`radicado config print FILE`" + ` prints the whole effective configuration. No key holds a secret; passwords
come from files or the environment and appear in no output.

This page is generated from the program's types: ` + "`go test ./cmd/radicado -run TestConfigReference -update`" + ` rewrites it.
`)
	describe(&b, "", reflect.TypeFor[Config](), reflect.ValueOf(defaultConfig()))
	b.WriteString("\n## Example\n\n```toml\n" + exampleConfig + "```\n")
	return b.String()
}

func describe(b *strings.Builder, path string, t reflect.Type, defaults reflect.Value) {
	type table struct {
		path, doc string
		t         reflect.Type
		defaults  reflect.Value
	}
	var tables []table
	var rows []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, inner := dot(path, f.Tag.Get("toml")), f.Type
		value := reflect.Value{}
		if defaults.IsValid() {
			value = defaults.Field(i)
		}
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
			inner, value = inner.Elem(), reflect.Value{}
		}
		if inner.Kind() == reflect.Struct {
			shown := "[" + name + "]"
			if f.Type.Kind() == reflect.Slice {
				shown = "[[" + name + "]]"
			}
			tables = append(tables, table{name, "## `" + shown + "`\n\n" + f.Tag.Get("doc"), inner, value})
			continue
		}
		def := ""
		if value.IsValid() && !value.IsZero() {
			shown := value.Interface()
			if d, ok := shown.(Duration); ok {
				shown = time.Duration(d)
			}
			def = fmt.Sprintf(" Default `%v`.", shown)
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s%s |", f.Tag.Get("toml"), strings.ReplaceAll(typeName(f.Type), "|", `\|`), f.Tag.Get("doc"), def))
	}
	if len(rows) > 0 {
		b.WriteString("\n\n| key | value | meaning |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n")
	}
	for _, t := range tables {
		b.WriteString("\n" + t.doc)
		describe(b, t.path, t.t, t.defaults)
		if !strings.HasSuffix(b.String(), "\n") {
			b.WriteString("\n")
		}
	}
}

const exampleConfig = `[store]
path = "radicado.db"

[web]
listen = "127.0.0.1:8025"

[[mailbox]]
name     = "soporte"
address  = "soporte.huella@certicamara.com"
calendar = "24x7"
[mailbox.imap]
server        = "imap.example.com:993"
security      = "tls"
username      = "soporte.huella@certicamara.com"
password_file = "soporte.pass"
folders       = ["INBOX"]
after         = "move:Procesados"

[[mailbox]]
name     = "pqrsa"
address  = "certicamararesponde@certicamara.com"
calendar = "pqrsa"
[mailbox.imap]
server       = "imap.example.com:993"
username     = "certicamararesponde@certicamara.com"
password_env = "PQRSA_PASSWORD"
`
