/** The datasource as Explore has it: its settings, a query, and the frames with Grafana's own links. */
import { useMemo, useRef, useState } from 'react';
import {
  applyFieldOverrides,
  dateTime,
  getDefaultTimeRange,
  getDisplayProcessor,
  getFieldDisplayName,
  getFieldDisplayValuesProxy,
  getFrameDisplayName,
  type DataFrame,
  type GrafanaTheme2,
  type ScopedVars,
} from '@grafana/data';
import { getDataSourceSrv, setDataSourceSrv } from '@grafana/runtime';
import { Alert, Button, TextLink, useTheme2 } from '@grafana/ui';
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
  const theme = useTheme2();
  const [query, setQuery] = useState({ refId: 'A', ...datasource.getDefaultQuery?.('explore') });
  const latest = useRef(query); // Grafana runs the query as it was last changed
  const change = (changed: any) => setQuery((latest.current = changed));
  const [options, setOptions] = useState({ ...settings, secureJsonFields: {}, secureJsonData: {} });
  const [answer, setAnswer] = useState<any>();
  const [health, setHealth] = useState<any>();
  const test = () =>
    datasource.testDatasource().then(setHealth, (found: any) => setHealth({ status: 'error', message: found.message }));
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
            targets: [latest.current],
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
            onChange={change}
            onRunQuery={run}
            app="explore"
            range={range}
          />
        </section>
      )}
      <Button onClick={run}>Run query</Button>
      {error && <Alert severity="error" title={error.message ?? error.data?.message ?? 'The query failed'} />}
      {answer && shown(answer.data, theme).map((frame, at) => <Frame key={at} frame={frame} />)}
      {ConfigEditor && (
        <section aria-label="Settings">
          <ConfigEditor options={options} onOptionsChange={setOptions} />
          <Button onClick={test}>Save & test</Button>
          {health && <Alert severity={health.status} title={health.message} />}
        </section>
      )}
    </>
  );
}

/** Variables of links, by Grafana's own proxy of a row. */
function replaceVariables(text: string, scoped?: ScopedVars): string {
  const context = scoped?.__dataContext?.value;
  if (!context) {
    return text;
  }
  const { frame, field, rowIndex = 0 } = context;
  const row = getFieldDisplayValuesProxy({ frame, rowIndex });
  const named = (_: string, name: string) => String(row[name]);
  return text
    .replaceAll('${__value.raw}', String(field.values[rowIndex]))
    .replace(/\$\{__data\.fields\.(\w+)\}/g, named);
}

const shown = (data: DataFrame[], theme: GrafanaTheme2) => {
  const made = applyFieldOverrides({
    data,
    theme,
    timeZone: 'utc',
    fieldConfig: { defaults: {}, overrides: [] },
    replaceVariables,
  });
  made.forEach(({ fields }) => fields.forEach((field) => (field.display ??= getDisplayProcessor({ field, theme }))));
  return made;
};

/** Cells as Grafana's table has them: texts on one line, colors and links as the fields say. */
function Frame({ frame }: { frame: DataFrame }) {
  const theme = useTheme2();
  const rows = Array.from({ length: Math.min(frame.length, 50) }, (_, at) => at);
  const cell = {
    padding: '6px 12px',
    maxWidth: 320,
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    borderBottom: `1px solid ${theme.colors.border.weak}`,
  };
  return (
    <section
      aria-label={getFrameDisplayName(frame)}
      style={{ margin: '16px 0', overflow: 'auto', maxHeight: 420 }}
      tabIndex={0}
    >
      {frame.meta?.notices?.map(({ text }) => (
        <Alert key={text} severity="warning" title={text} />
      ))}
      <table data-testid="frame" style={{ whiteSpace: 'nowrap', textAlign: 'left' }}>
        <thead>
          <tr>
            {frame.fields.map((field) => (
              <th key={field.name} style={cell}>
                {getFieldDisplayName(field, frame)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              {frame.fields.map((field) => {
                const { text, color } = field.display!(field.values[row]);
                const link = field.getLinks?.({ valueRowIndex: row })[0];
                const colored = field.config.custom?.cellOptions?.type === 'color-background' && color;
                const style = colored
                  ? { ...cell, background: color, color: theme.colors.getContrastText(color) }
                  : cell;
                return (
                  <td key={field.name} style={style}>
                    {link ? (
                      <TextLink href={link.href} title={link.title} inline={false}>
                        {text}
                      </TextLink>
                    ) : (
                      text
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
