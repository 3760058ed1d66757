import { lastValueFrom } from 'rxjs';
import { getBackendSrv, isFetchError, type BackendSrvRequest, type FetchResponse } from '@grafana/runtime';
import { PLUGIN_ID, type Settings } from '../settings';
import { ofBeTrace, ofGrafana, ofTempo, Problem } from './problem';
import type { Activity, Draft, Imported, Rule, Tried, Validated, Version, Violation } from './types';

const PROXY = `/api/plugin-proxy/${PLUGIN_ID}`;
const PAGE = 1000;

type Options = Omit<BackendSrvRequest, 'url'>;

async function ask<T>(url: string, options: Options = {}, told = ofBeTrace): Promise<FetchResponse<T>> {
  try {
    return await lastValueFrom(getBackendSrv().fetch<T>({ url, showErrorAlert: false, ...options }));
  } catch (error) {
    throw isFetchError(error) ? told(error) : new Problem(0, `Grafana does not answer: ${error}`);
  }
}

async function api<T>(path: string, options?: Options): Promise<T> {
  return (await ask<T>(`${PROXY}/${path}`, options)).data;
}

const post = <T>(path: string, data: unknown, options?: Options) => api<T>(path, { method: 'POST', data, ...options });

const rulePath = (id: string) => `api/rules/${encodeURIComponent(id)}`;
const ifMatch = (version: number) => ({ 'If-Match': `"${version}"` });

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

async function all<T>(path: string, params: Record<string, unknown> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  do {
    const page: Page<T> = await api(path, { params: { ...params, limit: PAGE, ...(cursor && { cursor }) } });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

/** All rules; `stale` says since when and why they may be old. */
export async function listRules(): Promise<{ rules: Rule[]; stale: string | null }> {
  const first = await ask<Page<Rule>>(`${PROXY}/api/rules`, { params: { limit: PAGE } });
  const { items, nextCursor } = first.data;
  const more = nextCursor ? await all<Rule>('api/rules') : items;
  return { rules: more, stale: first.headers.get('betrace-stale') };
}

export const getRule = (id: string) => api<Rule>(rulePath(id));
export const createRule = (draft: Draft) => post<Rule>('api/rules', draft);
export const replaceRule = (draft: Draft, version: number) =>
  api<Rule>(rulePath(draft.id), { method: 'PUT', data: draft, headers: ifMatch(version) });
export const deleteRule = (rule: Rule) =>
  api<void>(rulePath(rule.id), { method: 'DELETE', headers: ifMatch(rule.version) });

export const listVersions = (id: string) => all<Version>(`${rulePath(id)}/versions`);
export const restoreVersion = (id: string, version: number, latest: number) =>
  post<Rule>(`${rulePath(id)}/versions/${version}/restore`, undefined, { headers: ifMatch(latest) });

/** What the rules came to in the last days, today included. */
export const listActivity = (days: number) => all<Activity>('api/activity', { days });

/** The newer call cancels the older one. */
export const validate = (condition: string) =>
  post<Validated>('api/rules/validate', { condition }, { requestId: `${PLUGIN_ID}-validate` });
export const format = async (condition: string) =>
  (await post<{ condition: string }>('api/rules/format', { condition })).condition;
export const testRule = (rule: Draft, trace: unknown) => post<Tried>('api/rules/test', { rule, trace });

/** Rule files are YAML; a dry run says what would come of it. */
export const importRules = (yaml: string, dryRun: boolean) =>
  post<Imported>('api/rules/import', yaml, { params: { dryRun }, headers: { 'Content-Type': 'application/yaml' } });
export const exportRules = () => api<string>('api/rules/export', { responseType: 'text' });

/** Names of spans, or keys of attributes, that came lately. */
export const listValues = (kind: 'spanName' | 'attribute') => all<string>(`api/values/${kind}`);
export const listViolations = async (ruleId: string) =>
  (await api<Page<Violation>>('api/violations', { params: { ruleId, mode: 'any', limit: 10 } })).items;

/** A trace as Tempo has it, in its JSON. */
export async function traceFromTempo(uid: string, traceId: string): Promise<unknown> {
  const url = `/api/datasources/proxy/uid/${uid}/api/traces/${encodeURIComponent(traceId)}`;
  return (await ask<unknown>(url, {}, ofTempo(traceId))).data;
}

/** Keeps the app's settings; an empty token takes away the one that is kept, and none leaves it. */
export async function saveSettings(pinned: boolean | undefined, jsonData: Settings, token?: string): Promise<void> {
  const secureJsonData = token === undefined ? undefined : { apiToken: token };
  const data = { enabled: true, pinned, jsonData, secureJsonData };
  await ask(`/api/plugins/${PLUGIN_ID}/settings`, { method: 'POST', data }, ofGrafana);
}

/** Resolves when the API has caught up and takes Grafana's token. */
export async function checkApi(): Promise<void> {
  await api('readyz');
  await api('api/rules', { params: { limit: 1 } });
}
