/** The datasource as Explore has it: its settings, a query, and the frames with Grafana's own links. */
import { useMemo, useState } from 'react';
import {
  applyFieldOverrides,
  createTheme,
  dateTime,
  getDefaultTimeRange,
  getDisplayProcessor,
  getFieldDisplayValuesProxy,
  type DataFrame,
  type ScopedVars,
} from '@grafana/data';
import { getDataSourceSrv, setDataSourceSrv } from '@grafana/runtime';
import { Alert, Button } from '@grafana/ui';
import { lastValueFrom } from 'rxjs';

export function Datasource({ plugin }: { plugin: any }) {
  const settings = useMemo(
    () => ({ ...getDataSourceSrv().getInstanceSettings('betrace'), meta: plugin.meta }) as any,
    [plugin]
  );
  const datasource = useMemo(() => {
    const made = new plugin.DataSourceClass(settings);
    const others = getDataSourceSrv();
    setDataSourceSrv({ ...others, get: async () => made } as any);
    return made;
  }, [plugin, settings]);
  const [query, setQuery] = useState({ refId: 'A', ...datasource.getDefaultQuery?.('explore') });
  const [options, setOptions] = useState({ ...settings, secureJsonFields: {}, secureJsonData: {} });
  const [answer, setAnswer] = useState<any>();
  const { ConfigEditor, QueryEditor } = plugin.components;
  const range = useMemo(
    () => ({ ...getDefaultTimeRange(), from: dateTime().subtract(1, 'hour'), to: dateTime().add(1, 'minute') }),
    []
  );

  const run = async () =>
    setAnswer(
      await lastValueFrom(
        datasource.query({
          ...{
            requestId: 'explore',
            app: 'explore',
            interval: '1m',
            intervalMs: 60000,
            maxDataPoints: 100,
            timezone: 'utc',
          },
          ...{
            range: { ...range, to: dateTime().add(1, 'minute') },
            scopedVars: {},
            startTime: Date.now(),
            targets: [query],
          },
        })
      ).catch((error) => ({ data: [], error }))
    );
  const error = answer?.error ?? answer?.errors?.[0];
  return (
    <>
      {QueryEditor && (
        <section aria-label="Query">
          <QueryEditor
            datasource={datasource}
            query={query}
            onChange={setQuery}
            onRunQuery={run}
            app="explore"
            range={range}
          />
        </section>
      )}
      <Button onClick={run}>Run query</Button>
      {error && <Alert severity="error" title={error.message ?? error.data?.message ?? 'The query failed'} />}
      {answer && shown(answer.data).map((frame, at) => <Frame key={at} frame={frame} />)}
      {ConfigEditor && (
        <section aria-label="Settings">
          <ConfigEditor options={options} onOptionsChange={setOptions} />
        </section>
      )}
    </>
  );
}

const shown = (data: DataFrame[]) => {
  const theme = createTheme();
  const made = applyFieldOverrides({
    ...{ data, theme, timeZone: 'utc', fieldConfig: { defaults: {}, overrides: [] }, replaceVariables },
  });
  made.forEach(({ fields }) => fields.forEach((field) => (field.display ??= getDisplayProcessor({ field, theme }))));
  return made;
};

/** The variables of links, which Grafana's core fills in. */
function replaceVariables(text: string, scoped?: ScopedVars): string {
  const { frame, field, rowIndex = 0 } = scoped!.__dataContext!.value;
  const row = getFieldDisplayValuesProxy({ frame, rowIndex });
  return text
    .replaceAll('${__value.raw}', field.values[rowIndex])
    .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => `${row[name]}`);
}

function Frame({ frame }: { frame: DataFrame }) {
  const rows = Array.from({ length: Math.min(frame.length, 50) }, (_, at) => at);
  return (
    <table data-testid="frame">
      <thead>
        <tr>
          {frame.fields.map(({ name, config }) => (
            <th key={name}>{config.displayNameFromDS ?? name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row}>
            {frame.fields.map((field) => {
              const text = field.display!(field.values[row]).text;
              const link = field.getLinks?.({ valueRowIndex: row })[0];
              return <td key={field.name}>{link ? <a href={link.href}>{text}</a> : text}</td>;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
