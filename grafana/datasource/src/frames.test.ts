import {
  DataFrame,
  FieldType,
  ScopedVars,
  applyFieldOverrides,
  createTheme,
  dataFrameFromJSON,
  getFieldDisplayName,
  getFieldDisplayValuesProxy,
  locationUtil,
} from '@grafana/data';
import { readFileSync } from 'fs';
import { join } from 'path';

/** The frames that the backend makes of an answer of BeTrace's API, as Grafana's own code reads them. */
function golden(name: string): DataFrame[] {
  const text = readFileSync(join(__dirname, '..', 'pkg', 'frames', 'testdata', `${name}.jsonc`), 'utf8');
  return JSON.parse(text.replace(/^\/\/.*$/gm, '')).frames.map(dataFrameFromJSON);
}

/** Variables of links, by Grafana's own proxy of a row. */
function replaceVariables(text: string, scoped?: ScopedVars): string {
  const { frame, field, rowIndex = 0 } = scoped!.__dataContext!.value;
  const row = getFieldDisplayValuesProxy({ frame, rowIndex });
  return text
    .replace('${__value.raw}', field.values[rowIndex])
    .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => `${row[name]}`);
}

function shown(frames: DataFrame[]): DataFrame[] {
  const fieldConfig = { defaults: {}, overrides: [] };
  return applyFieldOverrides({ data: frames, fieldConfig, theme: createTheme(), replaceVariables, timeZone: 'utc' });
}

function field(frame: DataFrame, name: string) {
  return frame.fields.find((each) => each.name === name)!;
}

beforeAll(() => {
  locationUtil.initialize({
    config: { appSubUrl: '' } as Parameters<typeof locationUtil.initialize>[0]['config'],
    getVariablesUrlParams: () => ({}),
    getTimeRangeForUrl: () => ({ from: 'now-1h', to: 'now' }),
  });
});

test('a table of violations has a row for each, with what it shows in the colors of severities', () => {
  const [frame] = shown(golden('violations'));
  expect(frame.length).toBe(2);
  expect(field(frame, 'time').type).toBe(FieldType.time);
  expect(field(frame, 'evidence').values[0][0]).toHaveProperty('spanId');
  expect(frame.fields.map((each) => getFieldDisplayName(each, frame)).slice(0, 6)).toEqual([
    'Detected',
    'Severity',
    'Rule',
    'Service',
    'Message',
    'Trace',
  ]);
  const severity = field(frame, 'severity');
  const theme = createTheme();
  const colors = { critical: 'dark-red', high: 'orange', medium: 'yellow', low: 'blue', info: 'super-light-blue' };
  for (const [name, color] of Object.entries(colors)) {
    expect(severity.display!(name).color).toBe(theme.visualization.getColorByName(color));
  }
  expect(severity.values.every((name) => name in colors)).toBe(true);
});

test('a trace id leads to Tempo, at the span that is the evidence', () => {
  const [frame] = shown(golden('violations'));
  const traceId = field(frame, 'traceID');
  const [link] = traceId.getLinks!({ valueRowIndex: 1 });
  expect(link.title).toBe(`View trace ${traceId.values[1]}`);
  const left = JSON.parse(new URL(link.href, 'http://grafana').searchParams.get('left')!);
  expect(left).toEqual({
    datasource: 'tempo',
    queries: [{ query: traceId.values[1], queryType: 'traceql', datasource: { uid: 'tempo' } }],
    panelsState: { trace: { spanId: field(frame, 'spanID').values[1] } },
  });
  expect(field(frame, 'spanID').values[1]).toMatch(/^[0-9a-f]{16}$/);
});

test('without Tempo there is no link, and without violations no row', () => {
  const [frame] = shown(golden('no-violations'));
  expect(frame.length).toBe(0);
  expect(field(frame, 'traceID').getLinks!({ valueRowIndex: 0 })).toEqual([]);
});

test('time series have names, labels and colors of their own', () => {
  const frames = shown(golden('timeseries'));
  expect(frames.map((frame) => getFieldDisplayName(frame.fields[1], frame, frames))).toEqual([
    'critical',
    'high',
    'low',
  ]);
  expect(frames.map((frame) => frame.fields[1].labels)).toEqual([
    { severity: 'critical' },
    { severity: 'high' },
    { severity: 'low' },
  ]);
  expect(frames[0].fields[1].values).toEqual([0, 1, 3, 0, 0]);
  expect(frames[0].fields[0].config.interval).toBe(60_000);
  expect(frames[0].fields[1].config.color).toEqual({ mode: 'fixed', fixedColor: 'dark-red' });
});

test('numbers are a table of a name and a number', () => {
  const [frame] = shown(golden('count'));
  expect(frame.fields.map((each) => [each.name, each.type])).toEqual([
    ['rule', FieldType.string],
    ['violations', FieldType.number],
  ]);
  expect(frame.fields[1].values).toEqual([3, 5, 0]);
});

test('annotations have the fields that Grafana makes marks of', () => {
  const [frame] = golden('annotations');
  expect(frame.fields.map((each) => each.name)).toEqual(['time', 'title', 'text', 'tags', 'id']);
  expect(field(frame, 'tags').values[0].split(',')).toHaveLength(3);
});
