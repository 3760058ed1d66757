// Package frames makes Grafana's data frames of what the API answers.
package frames

import (
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// Severities are BeTrace's, gravest first.
var Severities = []string{"critical", "high", "medium", "low", "info"}

// colors are names of Grafana's palette, which fit light and dark.
var colors = map[string]string{
	"critical": "dark-red", "high": "orange", "medium": "yellow", "low": "blue", "info": "super-light-blue",
}

// graver orders severities, gravest first, and others behind them.
func graver(a, b string) int {
	return rank(a) - rank(b)
}

func rank(severity string) int {
	if found := slices.Index(Severities, severity); found >= 0 {
		return found
	}
	return len(Severities)
}

// byColor shows cells on the color of their severity, on which Grafana writes so that it can be read.
func byColor(config *data.FieldConfig) {
	mapper := data.ValueMapper{}
	for place, severity := range Severities {
		mapper[severity] = data.ValueMappingResult{Color: colors[severity], Index: place}
	}
	config.Mappings = data.ValueMappings{mapper}
	config.Custom = map[string]any{"cellOptions": map[string]any{"type": "color-background", "mode": "basic"}}
}

func fixed(color string) map[string]any {
	return map[string]any{"mode": "fixed", "fixedColor": color}
}
