// Grafana's plugin proxy, as pkg/api/pluginproxy does it: routes in order, the first that fits decides.
import { answer, bodyOf } from './server.mjs';

const RANKS = { Viewer: 0, Editor: 1, Admin: 2 };
const NOT_PASSED_ON = [
  'host',
  'connection',
  'origin',
  'referer',
  'cookie',
  'content-length',
  'accept-encoding',
  'authorization',
];

/** Passes a request on to where the first fitting route says, or refuses it as Grafana does. */
export async function proxied({ request, response, routes, path, search, user, settings, secrets }) {
  const asked = path.replace(/\/$/, '');
  const [route, rest] = fitting(routes, request.method, asked);
  if (!route) {
    return answer(response, 404, { message: 'plugin route match not found' });
  }
  if (RANKS[user.role] < RANKS[route.reqRole ?? 'Viewer']) {
    return answer(response, 403, { message: 'plugin proxy route access denied' });
  }
  const fill = (text) =>
    text
      .replace(/\{\{ ?\.JsonData\.(\w+) ?\}\}/g, (_, key) => settings.jsonData[key] ?? '<no value>')
      .replace(/\{\{ ?\.SecureJsonData\.(\w+) ?\}\}/g, (_, key) => secrets[key] ?? '');
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !NOT_PASSED_ON.includes(name)));
  for (const { name, content } of route.headers ?? []) {
    headers[name] = fill(content);
  }
  headers['X-Grafana-User'] = user.name; // with send_user_header = true
  const body = await bodyOf(request);
  let found;
  try {
    const target = [fill(route.url), rest].filter(Boolean).join('/') + search;
    found = await fetch(target, { method: request.method, headers, body: body.length > 0 ? body : undefined });
  } catch {
    response.writeHead(502); // what Go's ReverseProxy answers
    return response.end();
  }
  const passed = [...found.headers].filter(
    ([name]) => !['content-encoding', 'transfer-encoding', 'connection'].includes(name)
  );
  response.writeHead(found.status, Object.fromEntries(passed));
  response.end(Buffer.from(await found.arrayBuffer()));
}

/** The route, and what its `*` stands for. */
function fitting(routes, method, path) {
  for (const route of routes) {
    if (route.method && route.method !== '*' && route.method !== method) {
      continue;
    }
    if (route.path === path) {
      return [route, ''];
    }
    const start = route.path.endsWith('/*') && route.path.slice(0, -1);
    if (start && path.startsWith(start) && path.length > start.length) {
      return [route, path.slice(start.length)];
    }
  }
  return [];
}
