package frames

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/grafana/dataplane/sdata/numeric"
	"github.com/grafana/dataplane/sdata/timeseries"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental"
	"github.com/stretchr/testify/require"

	"betrace/grafana/datasource/pkg/betrace"
)

// asked is a time of five intervals, the first and last of which are not whole.
var asked = Asked{
	From: time.UnixMilli(1_795_637_230_000).UTC(), To: time.UnixMilli(1_795_637_470_000).UTC(), Step: time.Minute,
}

// read reads an answer of BeTrace's API that was recorded.
func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// golden holds frames against a file, which Grafana's own code reads in the tests of the front.
func golden(t *testing.T, name string, made ...*data.Frame) {
	t.Helper()
	response := backend.DataResponse{Frames: made, Status: backend.StatusOK}
	experimental.CheckGoldenJSONResponse(t, "testdata", name, &response, os.Getenv("UPDATE_GOLDEN") != "")
}

func series(label, value string, counts ...int64) betrace.Series {
	made := betrace.Series{Labels: map[string]string{}}
	if label != "" {
		made.Labels[label] = value
	}
	for place, count := range counts {
		made.Points = append(made.Points, betrace.Point{1_795_637_220_000 + int64(place)*60_000, count})
	}
	return made
}

func by(group, name string, wanted ...string) Asked {
	made := asked
	made.Group, made.By, made.Wanted = group, name, wanted
	return made
}

// alertable reads frames as Grafana's alerting does, and gives the labels of each series with the sum of its numbers.
func alertable(t *testing.T, made data.Frames) map[string]float64 {
	t.Helper()
	for _, each := range made {
		each.RefID = "A"
	}
	reader, err := timeseries.CollectionReaderFromFrames(made)
	require.NoError(t, err)
	collection, err := reader.GetCollection(true)
	require.NoError(t, err)
	require.NoError(t, collection.Warning)
	require.Empty(t, collection.RemainderIndices)
	found := map[string]float64{}
	for _, ref := range collection.Refs {
		sum := 0.0
		for place := range ref.ValueField.Len() {
			value, err := ref.ValueField.FloatAt(place)
			require.NoError(t, err)
			sum += value
		}
		found[ref.GetLabels().String()] = sum
	}
	return found
}

func TestATableOfViolations(t *testing.T) {
	var page betrace.Page[betrace.Violation]
	read(t, "violations-answer.json", &page)
	golden(t, "violations", Violations(page.Items, "tempo"))
	golden(t, "annotations", Annotations(page.Items))
	golden(t, "no-violations", Violations(nil, ""))
}

func TestAViolationThatSaysLittleIsShownAsFarAsItGoes(t *testing.T) {
	made := Violations([]betrace.Violation{{ID: "a", RuleID: "r"}, {Spans: []json.RawMessage{[]byte(`5`)}}}, "")
	for _, name := range []string{"time", "missing", "rootName", "complete"} {
		field, _ := made.FieldByName(name)
		require.True(t, field.NilAt(0), name)
		require.True(t, field.NilAt(1), name)
	}
	rule, _ := made.FieldByName("ruleName")
	require.Equal(t, "r", rule.At(0))
	_, err := json.Marshal(made)
	require.NoError(t, err)
}

func TestAFrameEachSeriesWithTheColorOfItsSeverity(t *testing.T) {
	counts := betrace.Counts{Series: []betrace.Series{
		series("severity", "critical", 0, 1, 3, 0, 0), series("severity", "low", 1, 0, 0, 0, 0),
	}}
	made := TimeSeries(counts, by("severity", "severity", "high", "critical"))
	golden(t, "timeseries", made...)
	require.Equal(t, map[string]float64{"severity=critical": 4, "severity=high": 0, "severity=low": 1}, alertable(t, made))
	require.Equal(t, "critical", made[0].Fields[1].Labels["severity"])
	for _, each := range made[1:] {
		require.Equal(t, made[0].Fields[0], each.Fields[0], "zeros stand at the same times")
	}
}

func TestOfNothingThereIsOneSeriesOfZeros(t *testing.T) {
	for _, each := range []Asked{asked, by("service", "service"), by("rule", "ruleId")} {
		require.Equal(t, map[string]float64{"": 0}, alertable(t, TimeSeries(betrace.Counts{}, each)))
	}
	require.Equal(t, map[string]float64{"rule=a": 0, "rule=b": 0},
		alertable(t, TimeSeries(betrace.Counts{}, by("rule", "ruleId", "a", "b"))))
}

func TestNumbersOfTheWholeTime(t *testing.T) {
	counts := betrace.Counts{Series: []betrace.Series{series("ruleId", "a", 1, 2), series("ruleId", "b", 0, 5)}}
	made := Numbers(counts, by("rule", "ruleId", "a", "c"))
	golden(t, "count", made)
	reader, err := numeric.CollectionReaderFromFrames(data.Frames{made})
	require.NoError(t, err)
	collection, err := reader.GetCollection(false) // validating these is not implemented there
	require.NoError(t, err)
	found := map[string]float64{}
	for _, ref := range collection.Refs {
		value, _, err := ref.NullableFloat64Value()
		require.NoError(t, err)
		found[ref.GetLabels().String()] = *value
	}
	require.Equal(t, map[string]float64{"rule=a": 3, "rule=b": 5, "rule=c": 0}, found)
}

func TestAnAlertHasANumberOfNothingAndAPanelNoEmptyRow(t *testing.T) {
	group := by("service", "service")
	require.Zero(t, Numbers(betrace.Counts{}, group).Rows())
	group.Alert = true
	require.Equal(t, 1, Numbers(betrace.Counts{}, group).Rows())
	require.InDelta(t, 0, Numbers(betrace.Counts{}, asked).At(0, 0), 0)
}

func TestTheLargestSeriesAreLeftInTheirOrder(t *testing.T) {
	var counts betrace.Counts
	for number := range MostSeries + 50 {
		counts.Series = append(counts.Series, series("service", fmt.Sprintf("s%03d", number), int64(number/2)))
	}
	left, notice := Largest(counts)
	require.Len(t, left.Series, MostSeries)
	require.Equal(t, "s050", left.Series[0].Labels["service"])
	require.Contains(t, notice.Text, "Of 150 series the 100 with the most violations are shown")
	same, none := Largest(left)
	require.Equal(t, left, same)
	require.Nil(t, none)
}
