// Package models holds what Grafana stores for the datasource: its settings and its queries.
package models

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// Settings are those of one configured datasource. URL is nil if none is set.
type Settings struct {
	URL      *url.URL
	Token    string
	TempoUID string // of the Tempo datasource that trace links lead to, perhaps empty
}

// SettingsOf reads what was stored. The error says what is wrong with it, for a person.
func SettingsOf(stored backend.DataSourceInstanceSettings) (Settings, error) {
	var options struct {
		TempoUID string `json:"tempoDatasourceUid"`
	}
	if len(stored.JSONData) > 0 {
		if err := json.Unmarshal(stored.JSONData, &options); err != nil {
			return Settings{}, fmt.Errorf("jsonData of the datasource cannot be read: %w", err)
		}
	}
	made := Settings{Token: stored.DecryptedSecureJSONData["apiToken"], TempoUID: options.TempoUID}
	text := strings.TrimRight(strings.TrimSpace(stored.URL), "/")
	if text == "" {
		return made, nil
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return Settings{}, fmt.Errorf("the URL %q is none: write it like http://betrace-api:12011", text)
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return Settings{}, fmt.Errorf("the URL may hold a host and a path alone: http://betrace-api:12011")
	}
	made.URL = parsed
	return made, nil
}
