import { of, throwError } from 'rxjs';
import { setBackendSrv, type BackendSrv, type BackendSrvRequest } from '@grafana/runtime';
import { newDraft } from '../rule';
import { deleteRule, importRules, listRules, replaceRule, saveSettings, traceFromTempo, validate } from './client';
import { Problem } from './problem';

const asked: BackendSrvRequest[] = [];

/** Grafana's server, which answers one after the other: a body, or a status with one. */
function answers(...given: Array<{ data?: unknown; status?: number; headers?: Record<string, string> }>) {
  asked.length = 0;
  const fetch = (options: BackendSrvRequest) => {
    asked.push(options);
    const { data, status = 200, headers } = given.shift()!;
    const answer = { status, data, headers: new Headers(headers), config: options };
    return status < 400 ? of(answer) : throwError(() => answer);
  };
  setBackendSrv({ fetch } as unknown as BackendSrv);
}

const rule = { ...newDraft(), id: 'a b', version: 3, updatedAt: null, updatedBy: null, source: 'api' as const };

test('a change says which version it is of, and the id is escaped', async () => {
  answers({ data: rule }, { data: undefined });
  await replaceRule(rule, 3);
  await deleteRule(rule);
  expect(asked.map(({ method, url, headers }) => [method, url, headers?.['If-Match']])).toEqual([
    ['PUT', '/api/plugin-proxy/betrace-app/api/rules/a%20b', '"3"'],
    ['DELETE', '/api/plugin-proxy/betrace-app/api/rules/a%20b', '"3"'],
  ]);
  expect(asked.every(({ showErrorAlert }) => showErrorAlert === false)).toBe(true);
});

test('rules of several pages are read to their end, and it is told that they may be old', async () => {
  const page = (id: string, nextCursor: string | null) => ({ items: [{ ...rule, id }], nextCursor });
  answers(
    { data: page('a', 'a'), headers: { 'betrace-stale': 'as of noon' } },
    { data: page('a', 'a') },
    { data: page('b', null) }
  );
  const { rules, stale } = await listRules();
  expect(rules.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(stale).toBe('as of noon');
});

test('a rule file goes out as it is', async () => {
  answers({ data: {} });
  await importRules('rules: []', true);
  expect(asked[0]).toMatchObject({
    data: 'rules: []',
    params: { dryRun: true },
    headers: { 'Content-Type': 'application/yaml' },
  });
});

test('settings go out with a token, without one that is kept, or with none at all', async () => {
  answers({ data: {} }, { data: {} }, { status: 403, data: { message: 'Access denied' } });
  await saveSettings(true, { apiUrl: 'http://api' }, 'new');
  await saveSettings(false, { apiUrl: 'http://api' });
  expect(asked.map(({ data }) => data)).toEqual([
    { enabled: true, pinned: true, jsonData: { apiUrl: 'http://api' }, secureJsonData: { apiToken: 'new' } },
    { enabled: true, pinned: false, jsonData: { apiUrl: 'http://api' } },
  ]);
  const problem: Problem = await saveSettings(true, {}).then(fail, (error) => error);
  expect(problem.message).toBe('Grafana answered with status 403: Access denied');
});

test.each([
  [404, {}, 'Tempo has no trace 0af7.'],
  [401, { message: 'no org id' }, 'Tempo did not give the trace 0af7. Grafana answered with status 401: no org id'],
  [502, '', 'Tempo did not give the trace 0af7. Grafana answered with status 502.'],
])('what Tempo refuses is not said of BeTrace: %s', async (status, data, message) => {
  answers({ status, data });
  const problem: Problem = await traceFromTempo('tempo', '0af7').then(fail, (error) => error);
  expect(problem.message).toBe(message);
});

test('without an answer it is told that Grafana is away', async () => {
  setBackendSrv({ fetch: () => throwError(() => new TypeError('Failed to fetch')) } as unknown as BackendSrv);
  const problem: Problem = await listRules().then(fail, (error) => error);
  expect(problem.message).toBe('Grafana does not answer: TypeError: Failed to fetch');
  expect(problem.isAway).toBe(true);
});

test.each([
  [{ status: 422, data: { detail: 'unexpected x', diagnostics: [] } }, 'unexpected x', false],
  [{ status: 502, data: '' }, /does not reach/, true],
  [{ status: 401, data: { detail: 'a token is needed' } }, /does not know the token/, false],
  [{ status: 403, data: { message: 'plugin proxy route access denied' } }, /Your role in Grafana/, false],
  [{ status: 403, data: { detail: 'token:ci may read only' } }, 'token:ci may read only', false],
  [{ status: 503, data: { detail: 'Kafka does not answer' } }, 'Kafka does not answer', true],
  [{ status: 500, data: null }, /status 500/, false],
])('what failed is told: %j', async (answer, message, isAway) => {
  answers(answer);
  const problem: Problem = await validate('a').then(fail, (error) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem.message).toMatch(message);
  expect(problem.isAway).toBe(isAway);
});

const fail = () => {
  throw new Error('it should have failed');
};
