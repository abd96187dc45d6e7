package classify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Limits of a rules file.
const (
	maxFile    = 1 << 20 // bytes
	maxRules   = 1000
	maxPhrases = 10_000
	maxWeight  = 100
)

// file is a rules file as written. Docs/classification.md explains the keys.
type file struct {
	Decision struct {
		TypeTemperature     float64 `toml:"type_temperature"`
		PriorityTemperature float64 `toml:"priority_temperature"`
		ReviewType          float64 `toml:"review_type_below"`
		ReviewPriority      float64 `toml:"review_priority_below"`
		SubjectWeight       float64 `toml:"subject_weight"`
	} `toml:"decision"`
	Words struct {
		Negators []string `toml:"negators"`
		Reach    int      `toml:"negation_reach"`
		Turners  []string `toml:"turners"`
		Disguise []string `toml:"no_negation_before"`
	} `toml:"words"`
	Forms  map[string][]string `toml:"forms"`
	Groups map[string][]string `toml:"groups"`
	Base   struct {
		Type     map[string]float64            `toml:"type"`
		Priority map[string]map[string]float64 `toml:"priority"`
	} `toml:"base"`
	Mailboxes []struct {
		Name     string             `toml:"name"`
		Type     map[string]float64 `toml:"type"`
		Fallback string             `toml:"fallback"`
	} `toml:"mailbox"`
	Ignore []struct {
		Note    string   `toml:"note"`
		Phrases []string `toml:"phrases"`
		Extent  string   `toml:"extent"`
		Unless  []string `toml:"unless"`
	} `toml:"ignore"`
	Rules []fileRule `toml:"rule"`
}

type fileRule struct {
	Name       string             `toml:"name"`
	Note       string             `toml:"note"`
	Field      string             `toml:"field"`
	Any        []string           `toml:"any"`
	All        []string           `toml:"all"`
	Not        []string           `toml:"not"`
	Within     string             `toml:"within"`
	Near       int                `toml:"near"`
	Negated    string             `toml:"negated"`
	Count      int                `toml:"count"`
	Quoted     bool               `toml:"quoted"`
	Mailbox    []string           `toml:"mailbox"`
	Sender     []string           `toml:"sender"`
	Attachment []string           `toml:"attachment"`
	Requires   []string           `toml:"requires"`
	RequireAny []string           `toml:"requires_any"`
	Unless     []string           `toml:"unless"`
	WhenType   []string           `toml:"when_type"`
	Type       map[string]float64 `toml:"type"`
	Priority   map[string]float64 `toml:"priority"`
	Term       string             `toml:"term"`
}

// readFile decodes a rules file strictly; an unknown key is an error that
// names its line and column.
func readFile(r io.Reader) (*file, []byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading rules: %w", err)
	}
	if len(data) > maxFile {
		return nil, nil, fmt.Errorf("reading rules: larger than %d bytes", maxFile)
	}
	var f file
	dec := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		var missing *toml.StrictMissingError
		if errors.As(err, &missing) {
			var list []error
			for _, e := range missing.Errors {
				line, column := e.Position()
				list = append(list, fmt.Errorf("line %d, column %d: unknown key %q", line, column, strings.Join(e.Key(), ".")))
			}
			return nil, nil, fmt.Errorf("reading rules: %w", errors.Join(list...))
		}
		var bad *toml.DecodeError
		if errors.As(err, &bad) {
			line, column := bad.Position()
			return nil, nil, fmt.Errorf("reading rules: line %d, column %d: %w", line, column, err)
		}
		return nil, nil, fmt.Errorf("reading rules: %w", err)
	}
	return &f, data, nil
}

// ruleLines finds where each [[rule]] and each of its keys stands, for errors.
type ruleLines []map[string]int

func findRuleLines(data []byte) ruleLines {
	var out ruleLines
	var p unstable.Parser
	p.Reset(data)
	inRule := false
	for p.NextExpression() {
		e := p.Expression()
		keys := e.Key()
		if !keys.Next() {
			continue
		}
		n := keys.Node()
		line := p.Shape(n.Raw).Start.Line
		name := string(n.Data)
		switch e.Kind {
		case unstable.ArrayTable:
			if inRule = name == "rule" && !keys.Next(); inRule {
				out = append(out, map[string]int{"": line})
			}
		case unstable.Table:
			inRule = false
		case unstable.KeyValue:
			if inRule {
				out[len(out)-1][name] = line
			}
		}
	}
	return out
}

// at returns the line of a key of the i-th rule, or of the rule's beginning.
func (l ruleLines) at(i int, key string) int {
	if i >= len(l) {
		return 0
	}
	if n, ok := l[i][key]; ok {
		return n
	}
	return l[i][""]
}

var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// parsePriorityKey reads "1" to "4".
func parsePriorityKey(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= 4
}
