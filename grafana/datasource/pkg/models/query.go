package models

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Query types, as they stand in dashboards and alert rules: never to be renamed.
const (
	Violations  = "violations"  // a table
	TimeSeries  = "timeseries"  // numbers in intervals
	Count       = "count"       // numbers of the whole time
	Annotations = "annotations" // violations as marks in graphs
)

const (
	defaultLimit = 100
	// MostViolations is the most that one query asks for.
	MostViolations = 10_000
)

// variable is what Grafana would replace: $name, ${name}, [[name]].
var variable = regexp.MustCompile(`\$[A-Za-z_]\w*|\$\{[^}]*\}|\[\[[^]]*\]\]`)

// by names what a query may be grouped by, as the API calls it.
var by = map[string]string{"severity": "severity", "rule": "ruleId", "service": "service"}

// Query is what a person asks; empty members let everything through.
type Query struct {
	QueryType  string `json:"queryType"`
	Severities Words  `json:"severities"`
	Rules      Words  `json:"rules"` // ids
	Services   Words  `json:"services"`
	Labels     Words  `json:"labels"` // key:value
	Frameworks Words  `json:"frameworks"`
	Controls   Words  `json:"controls"`
	TraceID    string `json:"traceId"`
	Text       string `json:"text"`   // words of the message
	Status     string `json:"status"` // open if empty, retracted, any
	Mode       string `json:"mode"`   // enforce if empty, shadow, any
	GroupBy    Words  `json:"groupBy"`
	Limit      int    `json:"limit"`
}

// Words is a list of texts; one text alone is read as a list of one, as people write in provisioning files.
type Words []string

// UnmarshalJSON reads a list or a text; empty texts are left out.
func (w *Words) UnmarshalJSON(value []byte) error {
	var many []string
	if err := json.Unmarshal(value, &many); err != nil {
		var one string
		if json.Unmarshal(value, &one) != nil {
			return fmt.Errorf("a text or a list of texts is needed, not %s", value)
		}
		many = []string{one}
	}
	*w = nil
	for _, each := range many {
		if each = strings.TrimSpace(each); each != "" {
			*w = append(*w, each)
		}
	}
	return nil
}

// QueryOf reads a query; the error says what is wrong with it, for a person.
func QueryOf(value []byte, queryType string) (Query, error) {
	var made Query
	if err := json.Unmarshal(value, &made); err != nil {
		return made, fmt.Errorf("the query cannot be read: %w", err)
	}
	if queryType != "" {
		made.QueryType = queryType
	}
	switch made.QueryType {
	case "":
		made.QueryType = Violations
	case Violations, TimeSeries, Count, Annotations:
	default:
		return made, fmt.Errorf("queryType %q is none of %s, %s, %s", made.QueryType, Violations, TimeSeries, Count)
	}
	if len(made.GroupBy) > 1 {
		return made, fmt.Errorf("groupBy takes one of severity, rule and service, not %d", len(made.GroupBy))
	}
	if len(made.GroupBy) == 1 && by[made.GroupBy[0]] == "" {
		return made, fmt.Errorf("groupBy %q is none of severity, rule, service", made.GroupBy[0])
	}
	if made.Limit < 0 || made.Limit > MostViolations {
		return made, fmt.Errorf("limit is from 1 to %d", MostViolations)
	}
	if made.Limit == 0 {
		made.Limit = defaultLimit
	}
	return made, nil
}

// Group is what the numbers are grouped by (severity, rule, service), or empty.
func (q Query) Group() string {
	if len(q.GroupBy) == 0 {
		return ""
	}
	return q.GroupBy[0]
}

// By is Group as the API calls it.
func (q Query) By() string {
	return by[q.Group()]
}

// Wanted gives the values of what the query is grouped by that its filter names.
func (q Query) Wanted() []string {
	return map[string]Words{"severity": q.Severities, "rule": q.Rules, "service": q.Services}[q.Group()]
}

// Variable gives a template variable that was left in the filters, which Grafana replaces everywhere but in alerts.
func (q Query) Variable() string {
	for _, list := range []Words{
		q.Severities, q.Rules, q.Services, q.Labels, q.Frameworks, q.Controls, {q.TraceID, q.Text},
	} {
		for _, each := range list {
			if found := variable.FindString(each); found != "" {
				return found
			}
		}
	}
	return ""
}

// Parameters are the filters as the API takes them.
func (q Query) Parameters() url.Values {
	made := url.Values{}
	for name, values := range map[string]Words{
		"severity": q.Severities, "ruleId": q.Rules, "service": q.Services, "label": q.Labels,
		"framework": q.Frameworks, "control": q.Controls,
	} {
		if len(values) > 0 {
			made[name] = values
		}
	}
	for name, value := range map[string]string{
		"traceId": q.TraceID, "q": q.Text, "status": q.Status, "mode": q.Mode,
	} {
		if value = strings.TrimSpace(value); value != "" {
			made.Set(name, value)
		}
	}
	return made
}
