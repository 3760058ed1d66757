package frames

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"betrace/grafana/datasource/pkg/betrace"
)

var none = json.RawMessage("null")

// Violations is a table of them. Trace ids lead to the Tempo datasource of that uid, if there is one, at the first
// span of evidence.
func Violations(found []betrace.Violation, tempoUID string) *data.Frame {
	made := data.NewFrame("violations",
		field("time", "Detected", column(found, detected)),
		filterable("severity", "Severity", column(found, func(v betrace.Violation) string { return v.Severity })),
		field("ruleName", "Rule", column(found, ruleName)),
		filterable("service", "Service", column(found, func(v betrace.Violation) string { return v.Service })),
		field("message", "Message", column(found, func(v betrace.Violation) string { return v.Message })),
		filterable("traceID", "Trace", column(found, func(v betrace.Violation) string { return v.TraceID })),
		field("spanID", "Span", column(found, betrace.Violation.SpanID)),
		field("missing", "Missing", column(found, missing)),
		field("rootName", "Root span", column(found, func(v betrace.Violation) *string { return v.RootName })),
		filterable("ruleId", "Rule id", column(found, func(v betrace.Violation) string { return v.RuleID })),
		field("status", "Status", column(found, func(v betrace.Violation) string { return v.Status })),
		field("mode", "Mode", column(found, func(v betrace.Violation) string { return v.Mode })),
		field("complete", "Complete trace", column(found, func(v betrace.Violation) *bool { return v.Complete })),
		field("labels", "Labels", column(found, func(v betrace.Violation) json.RawMessage { return object(v.Labels) })),
		field("evidence", "Evidence", column(found, func(v betrace.Violation) json.RawMessage { return object(v.Spans) })),
		field("id", "Violation", column(found, func(v betrace.Violation) string { return v.ID })),
	)
	severity, _ := made.FieldByName("severity")
	byColor(severity.Config)
	if tempoUID != "" {
		traceID, _ := made.FieldByName("traceID")
		traceID.Config.Links = []data.DataLink{toTrace(tempoUID)}
	}
	made.Meta = &data.FrameMeta{
		Type:                   data.FrameTypeTable,
		PreferredVisualization: data.VisTypeTable,
		UniqueRowIDFields:      []int{len(made.Fields) - 1},
	}
	return made
}

// toTrace leads to a trace in Tempo, at its span of evidence.
func toTrace(tempoUID string) data.DataLink {
	var panels data.ExplorePanelsState = map[string]any{"trace": map[string]any{"spanId": "${__data.fields.spanID}"}}
	return data.DataLink{
		Title: "View trace ${__value.raw}",
		Internal: &data.InternalDataLink{
			DatasourceUID:      tempoUID,
			Query:              map[string]any{"query": "${__value.raw}", "queryType": "traceql"},
			ExplorePanelsState: &panels,
		},
	}
}

// Annotations are violations under the names by which Grafana makes marks of them.
func Annotations(found []betrace.Violation) *data.Frame {
	made := data.NewFrame("annotations",
		field("time", "", column(found, detected)),
		field("title", "", column(found, ruleName)),
		field("text", "", column(found, func(v betrace.Violation) string { return v.Message })),
		field("tags", "", column(found, tags)),
		field("id", "", column(found, func(v betrace.Violation) string { return v.ID })),
	)
	made.Meta = &data.FrameMeta{DataTopic: data.DataTopicAnnotations}
	return made
}

// tags are separated by commas, so a comma in one would make two of it.
func tags(v betrace.Violation) string {
	made := []string{v.Severity}
	for _, each := range []string{v.Service, v.RuleID} {
		if each != "" {
			made = append(made, strings.ReplaceAll(each, ",", " "))
		}
	}
	return strings.Join(made, ",")
}

func detected(v betrace.Violation) *time.Time {
	if v.DetectedAt.IsZero() {
		return nil
	}
	return &v.DetectedAt
}

func ruleName(v betrace.Violation) string {
	if v.RuleName != "" {
		return v.RuleName
	}
	return v.RuleID
}

func missing(v betrace.Violation) *string {
	return orNull(strings.Join(v.Missing, ", "))
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// object is a value as JSON.
func object[T any](value T) json.RawMessage {
	made, err := json.Marshal(value)
	if err != nil {
		return none
	}
	return made
}

func column[T any](found []betrace.Violation, of func(betrace.Violation) T) []T {
	made := make([]T, len(found))
	for place, each := range found {
		made[place] = of(each)
	}
	return made
}

func field[T any](name, title string, values []T) *data.Field {
	made := data.NewField(name, nil, values)
	made.Config = &data.FieldConfig{DisplayNameFromDS: title}
	return made
}

// filterable is a field whose cells an ad-hoc filter can be made of: the front knows it by this name.
func filterable[T any](name, title string, values []T) *data.Field {
	made := field(name, title, values)
	made.Config.SetFilterable(true)
	return made
}

// Cut says that there are more than were asked for.
func Cut(shown int) data.Notice {
	text := fmt.Sprintf("There are more: only the newest %d are shown. Narrow the filters or the time, or raise the limit.", shown)
	return data.Notice{Severity: data.NoticeSeverityWarning, Text: text}
}

// Stale says that the API's answer may be old.
func Stale(since string) data.Notice {
	text := "BeTrace cannot reach Kafka, so this may be old: " + since
	return data.Notice{Severity: data.NoticeSeverityWarning, Text: text}
}
