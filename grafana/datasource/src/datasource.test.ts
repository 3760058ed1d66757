import { CoreApp, DataQueryRequest, DataSourceInstanceSettings, dateTime } from '@grafana/data';
import { BackendSrv, BackendSrvRequest, TemplateSrv, setBackendSrv } from '@grafana/runtime';
import { firstValueFrom, lastValueFrom, of } from 'rxjs';
import { DataSource } from './datasource';
import { BeTraceOptions, BeTraceQuery, VariableQuery } from './types';
import { Variables } from './variables';

const RESOURCES: Record<string, unknown> = {
  rules: [{ value: 'a', label: 'A rule' }],
  severities: [{ value: 'critical', label: 'critical' }],
  'values/service': [{ value: 'shop', label: 'shop' }],
  'values/label': [
    { value: 'team:pay', label: 'team:pay' },
    { value: 'team:shop', label: 'team:shop' },
    { value: 'tier:1', label: 'tier:1' },
  ],
};

let asked: BackendSrvRequest[] = [];
const settings = {
  uid: 'betrace',
  type: 'betrace-datasource',
  jsonData: {},
} as DataSourceInstanceSettings<BeTraceOptions>;
const templates = {
  getVariables: () => [],
  replace: (text: string, _: unknown, format: (value: string) => string) =>
    text.replace(/\$team/g, () => format('pay')),
} as unknown as TemplateSrv;
const datasource = new DataSource(settings, templates);

beforeEach(() => {
  asked = [];
  const fetch = (request: BackendSrvRequest) => {
    asked.push(request);
    const path = request.url.split('/resources/')[1];
    const found = RESOURCES[path] as Array<{ value: string }> | undefined;
    const data = path ? found?.filter(({ value }) => value.startsWith(request.params?.prefix ?? '')) : { results: {} };
    return of({ data, status: 200, ok: true, config: request });
  };
  setBackendSrv({ fetch } as unknown as BackendSrv);
});

test('Explore begins with a table, panels and alerts with numbers', () => {
  expect(datasource.getDefaultQuery(CoreApp.Explore)).toEqual({ queryType: 'violations' });
  for (const app of [CoreApp.Dashboard, CoreApp.UnifiedAlerting]) {
    expect(datasource.getDefaultQuery(app)).toEqual({ queryType: 'timeseries', groupBy: ['severity'] });
  }
});

test('a query goes to the backend with its variables replaced and ad-hoc filters added', async () => {
  const query: BeTraceQuery = { refId: 'A', queryType: 'violations', labels: ['team:$team'], text: ' by $team ' };
  const request = {
    targets: [query],
    filters: [{ key: 'severity', operator: '=', value: 'critical' }],
    range: { from: dateTime(1000), to: dateTime(2000), raw: { from: '1000', to: '2000' } },
    intervalMs: 1000,
    maxDataPoints: 100,
    scopedVars: {},
  } as unknown as DataQueryRequest<BeTraceQuery>;
  await lastValueFrom(datasource.query(request));
  expect(asked[0].data).toMatchObject({
    from: '1000',
    to: '2000',
    queries: [
      {
        refId: 'A',
        queryType: 'violations',
        labels: ['team:pay'],
        text: 'by pay',
        severities: ['critical'],
        datasource: { uid: 'betrace' },
      },
    ],
  });
});

test('annotations ask for marks, whatever else a query says', () => {
  const target: BeTraceQuery = { refId: 'Anno', queryType: 'timeseries', severities: ['critical'] };
  const annotation = { name: 'violations', enable: true, iconColor: 'red', target };
  expect(datasource.annotations.prepareQuery!(annotation)).toEqual({ ...target, queryType: 'annotations' });
});

test('ad-hoc filters offer the fields of the table and the keys of labels, with their values', async () => {
  const keys = await datasource.getTagKeys();
  expect(keys.map(({ text }) => text)).toEqual([
    'severity',
    'ruleId',
    'service',
    'traceID',
    'label:team',
    'label:tier',
  ]);
  const values = async (key: string) => datasource.getTagValues({ key, filters: [] });
  expect(await values('ruleId')).toEqual([{ text: 'A rule', value: 'a' }]);
  expect(await values('service')).toEqual([{ text: 'shop', value: 'shop' }]);
  expect(await values('label:team')).toEqual([
    { text: 'pay', value: 'pay' },
    { text: 'shop', value: 'shop' },
  ]);
  expect(await values('traceID')).toEqual([]);
});

test('what is typed is asked for only where there is more than the backend gives', async () => {
  expect(await datasource.choices('label', 'pay')).toHaveLength(3);
  const many = Array.from({ length: 1000 }, (_, number) => ({ value: `s${number}`, label: `s${number}` }));
  RESOURCES['values/service'] = [...many.slice(0, 999), { value: 'zoo', label: 'zoo' }];
  expect(await datasource.choices('service', 'zo')).toEqual([{ value: 'zoo', label: 'zoo' }]);
});

test('variables list what there is of a kind', async () => {
  const listed = async (query: Omit<VariableQuery, 'refId'>) => {
    const request = { targets: [{ ...query, refId: 'variable' }] } as DataQueryRequest<VariableQuery>;
    return (await firstValueFrom(new Variables(datasource).query(request))).data;
  };
  expect(await listed({ of: 'rule' })).toEqual([{ text: 'A rule', value: 'a' }]);
  expect(await listed({ of: 'label', key: 'tier' })).toEqual([{ text: '1', value: '1' }]);
  expect(await listed({ of: 'label' })).toEqual([]);
  expect(await listed({})).toEqual([{ text: 'A rule', value: 'a' }]);
});
