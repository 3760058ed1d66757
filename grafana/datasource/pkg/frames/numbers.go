package frames

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"betrace/grafana/datasource/pkg/betrace"
)

// MostSeries is the most that one graph shows.
const MostSeries = 100

// Asked says what counts were asked for.
type Asked struct {
	Group  string   // severity, rule or service; empty for all together
	By     string   // Group as the API calls it
	Wanted []string // values that the filters name: each has its numbers, if only zeros
	From   time.Time
	To     time.Time
	Step   time.Duration // a whole number of seconds
	Alert  bool          // whether an alert asks, which needs a number even of nothing
}

// one is the counts of a value.
type one struct {
	value  string
	points []betrace.Point
}

func (o one) total() int64 {
	return betrace.Series{Points: o.points}.Total()
}

// TimeSeries is a frame a series: time and number, with the group's value as label. There is always one, so that an
// alert finds zeros where nothing happened, and no gap.
func TimeSeries(counts betrace.Counts, asked Asked) data.Frames {
	var made data.Frames
	for _, each := range asked.series(counts) {
		made = append(made, asked.frame(each))
	}
	return made
}

// Numbers is a table: the group's value, and the number of the whole time.
func Numbers(counts betrace.Counts, asked Asked) *data.Frame {
	made := data.NewFrame("count")
	found := asked.series(counts)
	if asked.Group != "" {
		found = slices.DeleteFunc(found, func(o one) bool { return o.value == "" && !asked.Alert })
		values := make([]string, len(found))
		for place, each := range found {
			values[place] = each.value
		}
		made.Fields = append(made.Fields, field(asked.Group, title(asked.Group), values))
		if asked.Group == "severity" {
			byColor(made.Fields[0].Config)
		}
	}
	numbers := make([]float64, len(found))
	for place, each := range found {
		numbers[place] = float64(each.total())
	}
	made.Fields = append(made.Fields, field("violations", "Violations", numbers))
	made.Meta = &data.FrameMeta{Type: data.FrameTypeNumericLong, TypeVersion: data.FrameTypeVersion{0, 1}}
	return made
}

// Largest leaves the series with the most violations, in the order in which they are, and says so in a notice.
func Largest(counts betrace.Counts) (betrace.Counts, *data.Notice) {
	count := len(counts.Series)
	if count <= MostSeries {
		return counts, nil
	}
	places := make([]int, count)
	for place := range places {
		places[place] = place
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Compare(counts.Series[b].Total(), counts.Series[a].Total())
	})
	places = places[:MostSeries]
	slices.Sort(places)
	var kept []betrace.Series
	for _, place := range places {
		kept = append(kept, counts.Series[place])
	}
	text := fmt.Sprintf("Of %d series the %d with the most violations are shown. Narrow the filters.", count, MostSeries)
	return betrace.Counts{Series: kept}, &data.Notice{Severity: data.NoticeSeverityWarning, Text: text}
}

func title(group string) string {
	return map[string]string{"severity": "Severity", "rule": "Rule", "service": "Service"}[group]
}

// series are the counts, with zeros for what was wanted and did not happen; of nothing at all one series of zeros.
func (a Asked) series(counts betrace.Counts) []one {
	var found []one
	for _, each := range counts.Series {
		found = append(found, one{each.Labels[a.By], each.Points})
	}
	for _, value := range a.Wanted {
		if !slices.ContainsFunc(found, func(o one) bool { return o.value == value }) {
			found = append(found, one{value, a.zeros()})
		}
	}
	if len(found) == 0 {
		found = []one{{"", a.zeros()}}
	}
	if a.Group == "severity" {
		slices.SortStableFunc(found, func(a, b one) int { return graver(a.value, b.value) })
	}
	return found
}

// zeros are the intervals of the time, which begin at multiples of the step as those of the API do.
func (a Asked) zeros() []betrace.Point {
	step := a.Step.Milliseconds()
	var made []betrace.Point
	for start := a.From.UnixMilli() / step * step; start < a.To.UnixMilli(); start += step {
		made = append(made, betrace.Point{start, 0})
	}
	return made
}

func (a Asked) frame(each one) *data.Frame {
	times, numbers := make([]time.Time, len(each.points)), make([]float64, len(each.points))
	for place, point := range each.points {
		times[place], numbers[place] = time.UnixMilli(point[0]).UTC(), float64(point[1])
	}
	var labels data.Labels
	name := "violations"
	if each.value != "" && a.Group != "" {
		labels, name = data.Labels{a.Group: each.value}, each.value
	}
	config := &data.FieldConfig{DisplayNameFromDS: name}
	if color, ok := colors[each.value]; ok && a.Group == "severity" {
		config.Color = fixed(color)
	}
	step := &data.FieldConfig{Interval: float64(a.Step.Milliseconds())}
	made := data.NewFrame("",
		data.NewField("time", nil, times).SetConfig(step),
		data.NewField("violations", labels, numbers).SetConfig(config),
	)
	made.Meta = &data.FrameMeta{
		Type:                   data.FrameTypeTimeSeriesMulti,
		TypeVersion:            data.FrameTypeVersion{0, 1},
		PreferredVisualization: data.VisTypeGraph,
	}
	return made
}
