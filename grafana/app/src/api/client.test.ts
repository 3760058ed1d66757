import { of, throwError } from 'rxjs';
import { setBackendSrv, type BackendSrv, type BackendSrvRequest } from '@grafana/runtime';
import { newDraft } from '../rule';
import { deleteRule, importRules, listRules, replaceRule, validate } from './client';
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
