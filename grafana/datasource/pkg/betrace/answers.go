package betrace

import (
	"encoding/json"
	"time"
)

// Violation is one that the API gives, as far as it is shown.
type Violation struct {
	ID         string            `json:"id"`
	Status     string            `json:"status"`
	Mode       string            `json:"mode"`
	Severity   string            `json:"severity"`
	RuleID     string            `json:"ruleId"`
	RuleName   string            `json:"ruleName"`
	Clause     string            `json:"clause"`
	Message    string            `json:"message"`
	TraceID    string            `json:"traceId"`
	RootName   *string           `json:"rootName"`
	Service    string            `json:"service"`
	Services   []string          `json:"services"`
	Spans      []json.RawMessage `json:"spans"`
	Missing    []string          `json:"missing"`
	Complete   *bool             `json:"complete"`
	DetectedAt time.Time         `json:"detectedAt"`
	Labels     map[string]string `json:"labels"`
}

// SpanID is the id of the first span of evidence, or empty.
func (v Violation) SpanID() string {
	var span struct {
		SpanID string `json:"spanId"`
	}
	if len(v.Spans) == 0 || json.Unmarshal(v.Spans[0], &span) != nil {
		return ""
	}
	return span.SpanID
}

// Page is one of a list.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"nextCursor"`
}

// Rule is one as far as it is offered in filters.
type Rule struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Severity string `json:"severity"`
}

// Point is the start of an interval in Unix ms, and the number of violations in it.
type Point [2]int64

// Series are the counts of one value of what they are grouped by.
type Series struct {
	Labels map[string]string `json:"labels"`
	Points []Point           `json:"points"`
}

// Total is the sum of the counts.
func (s Series) Total() int64 {
	var sum int64
	for _, point := range s.Points {
		sum += point[1]
	}
	return sum
}

// Counts are what the API counted.
type Counts struct {
	Series []Series `json:"series"`
}
