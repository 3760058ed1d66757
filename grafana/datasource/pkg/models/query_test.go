package models

import (
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
)

func TestAQueryIsReadAsPeopleAndPanelsWriteIt(t *testing.T) {
	query, err := QueryOf([]byte(`{
		"refId": "A", "datasource": {"uid": "betrace"}, "hide": false,
		"severities": "critical", "rules": ["a", " ", "b "], "services": null, "labels": ["team:payments"],
		"frameworks": ["soc2"], "controls": ["CC6.1"],
		"traceId": " 0af7 ", "text": "fraud check", "status": "any", "groupBy": ["rule"], "limit": 5
	}`), TimeSeries)
	require.NoError(t, err)
	require.Equal(t, Words{"critical"}, query.Severities)
	require.Equal(t, "control=CC6.1&framework=soc2&label=team%3Apayments&q=fraud+check&ruleId=a&ruleId=b&severity=critical&status=any&traceId=0af7",
		query.Parameters().Encode())
	require.Equal(t, "ruleId", query.By())
	require.Equal(t, []string{"a", "b"}, query.Wanted())
}

func TestAnEmptyQueryIsATableOfAHundredOpenViolations(t *testing.T) {
	query, err := QueryOf([]byte(`{}`), "")
	require.NoError(t, err)
	require.Equal(t, Query{QueryType: Violations, Limit: 100}, query)
	require.Empty(t, query.Parameters())
	require.Empty(t, query.By())
	require.Empty(t, query.Wanted())
}

func TestAWrongQuerySaysWhatIsWrong(t *testing.T) {
	for text, said := range map[string]string{
		`{"queryType": "table"}`:            `queryType "table" is none of violations, timeseries, count`,
		`{"groupBy": ["severity", "rule"]}`: "groupBy takes one of severity, rule and service, not 2",
		`{"groupBy": ["ruleId"]}`:           `groupBy "ruleId" is none of severity, rule, service`,
		`{"limit": 10001}`:                  "limit is from 1 to 10000",
		`{"limit": -1}`:                     "limit is from 1 to 10000",
		`{"rules": [5]}`:                    "the query cannot be read: a text or a list of texts is needed, not [5]",
		`{"rules": {"a": 1}}`:               `the query cannot be read: a text or a list of texts is needed, not {"a": 1}`,
		`nothing`:                           "the query cannot be read: invalid character 'o' in literal null (expecting 'u')",
	} {
		_, err := QueryOf([]byte(text), "")
		require.EqualError(t, err, said, text)
	}
}

func TestVariablesThatWereLeftInAreFound(t *testing.T) {
	for text, found := range map[string]string{
		`{"rules": ["$rule"]}`:             "$rule",
		`{"services": ["shop", "${svc}"]}`: "${svc}",
		`{"text": "[[words]]"}`:            "[[words]]",
		`{"labels": ["team:$team"]}`:       "$team",
		`{"text": "$5 or 5$"}`:             "",
	} {
		query, err := QueryOf([]byte(text), "")
		require.NoError(t, err)
		require.Equal(t, found, query.Variable())
	}
}

func TestSettingsAreReadOrSayWhatIsWrong(t *testing.T) {
	settings, err := SettingsOf(backend.DataSourceInstanceSettings{
		URL:                     " https://api.example.com/betrace/ ",
		JSONData:                []byte(`{"tempoDatasourceUid": "tempo", "timeout": 5}`),
		DecryptedSecureJSONData: map[string]string{"apiToken": "secret"},
	})
	require.NoError(t, err)
	require.Equal(t, "https://api.example.com/betrace", settings.URL.String())
	require.Equal(t, "secret", settings.Token)
	require.Equal(t, "tempo", settings.TempoUID)

	empty, err := SettingsOf(backend.DataSourceInstanceSettings{})
	require.NoError(t, err)
	require.Nil(t, empty.URL)

	for _, wrong := range []string{"localhost:12011", "ftp://host", "http://", "http://a b", "http://u:p@host", "http://host?x=1"} {
		_, err := SettingsOf(backend.DataSourceInstanceSettings{URL: wrong})
		require.ErrorContains(t, err, "http://betrace-api:12011", wrong)
	}
	_, err = SettingsOf(backend.DataSourceInstanceSettings{JSONData: []byte(`[]`)})
	require.ErrorContains(t, err, "jsonData of the datasource cannot be read")
}
