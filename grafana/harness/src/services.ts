/** What Grafana's front gives plugins to talk to its server with, on the browser's fetch. */
import { EventBusSrv, type DataSourceInstanceSettings } from '@grafana/data';
import {
  setAppEvents,
  setBackendSrv,
  setDataSourceSrv,
  setTemplateSrv,
  type BackendSrv,
  type BackendSrvRequest,
  type DataSourceSrv,
  type TemplateSrv,
} from '@grafana/runtime';
import { Observable } from 'rxjs';

export const appEvents = new EventBusSrv();
const running = new Map<string, AbortController>(); // by request id: a newer one cancels the older

export function serve() {
  setAppEvents(appEvents);
  setBackendSrv({ fetch, get, post, put, delete: remove, datasourceRequest: undefined } as unknown as BackendSrv);
  setTemplateSrv({
    replace: (text: string) => text ?? '',
    getVariables: () => [],
    containsTemplate: () => false,
    updateTimeRange: () => undefined,
  } as unknown as TemplateSrv);
  setDataSourceSrv({
    getList: ({ type }: { type?: string | string[] } = {}) =>
      SOURCES.filter((each) => !type || [type].flat().includes(each.type)),
    getInstanceSettings: (of: { uid?: string } | string | null) => {
      const wanted = typeof of === 'string' ? of : of?.uid;
      return SOURCES.find(({ uid, name }) => !wanted || uid === wanted || name === wanted);
    },
  } as unknown as DataSourceSrv);
}

const source = (uid: string, type: string, name: string) =>
  ({
    ...{
      id: 1,
      uid,
      type,
      name,
      url: `/api/datasources/proxy/uid/${uid}`,
      access: 'proxy',
      jsonData: {},
      readOnly: false,
    },
    meta: { id: type, name, info: { logos: { small: '/public/plugins/betrace-app/img/logo.svg' } } },
  }) as unknown as DataSourceInstanceSettings;

const SOURCES = [source('tempo', 'tempo', 'Tempo'), source('betrace', 'betrace-datasource', 'BeTrace')];

function fetch(options: BackendSrvRequest): Observable<unknown> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    if (options.requestId) {
      running.get(options.requestId)?.abort();
      running.set(options.requestId, controller);
    }
    answer(options, controller.signal).then(
      (found) => {
        subscriber.next(found);
        subscriber.complete();
      },
      (error) => subscriber.error(error)
    );
    return () => controller.abort();
  });
}

async function answer(options: BackendSrvRequest, signal: AbortSignal) {
  const query = new URLSearchParams(
    Object.entries(options.params ?? {}).flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)]))
  );
  const url = `/${options.url.replace(/^\//, '')}${query.size > 0 ? `?${query}` : ''}`;
  const headers = {
    Accept: 'application/json, text/plain, */*',
    ...(options.data !== undefined && JSON_TYPE),
    ...options.headers,
  };
  const body =
    typeof options.data === 'string' || options.data === undefined ? options.data : JSON.stringify(options.data);
  let response: Response;
  try {
    response = await window.fetch(url, { method: options.method ?? 'GET', headers, body, signal });
  } catch (error) {
    throw { status: -1, statusText: String(error), data: null, cancelled: signal.aborted, config: options };
  }
  const text = await response.text();
  const data = options.responseType === 'text' ? text : parsed(text);
  const { status, statusText, ok } = response;
  const found = { status, statusText, ok, data, headers: response.headers, url, config: options };
  if (!ok) {
    throw found;
  }
  return found;
}

const JSON_TYPE = { 'Content-Type': 'application/json' };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const data = async (options: BackendSrvRequest) => (await answer(options, new AbortController().signal)).data;
const get = (url: string, params?: Record<string, unknown>) => data({ url, params });
const post = (url: string, body?: unknown) => data({ url, method: 'POST', data: body });
const put = (url: string, body?: unknown) => data({ url, method: 'PUT', data: body });
const remove = (url: string, body?: unknown) => data({ url, method: 'DELETE', data: body });
