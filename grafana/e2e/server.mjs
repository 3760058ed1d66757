// Stands in for Grafana's server: the host page, the plugins' files, the app's settings and its proxy as plugin.json says.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { proxied } from './proxy.mjs';

const GRAFANA = path.resolve(import.meta.dirname, '..');
const PLUGINS = { 'betrace-app': 'app/dist', 'betrace-datasource': 'datasource/dist' };
const TYPES = {
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.woff2': 'font/woff2',
  '.png': 'image/png',
};
const WEIGHTS = { Regular: 400, Medium: 500 };

/**
 * Serves until closed. `host` is the folder of the host page; `datasource` the address of dshost, if there is one. A cookie
 * `user=name:Role` says who asks. `traces` is what Tempo has: OTLP/JSON by trace id.
 */
export async function serve({ host, version, datasource }) {
  const routes = JSON.parse(fs.readFileSync(path.join(GRAFANA, PLUGINS['betrace-app'], 'plugin.json'))).routes;
  const state = {
    settings: { enabled: true, pinned: true, jsonData: {}, secureJsonFields: {} },
    secrets: {},
    traces: {},
  };

  const server = http.createServer(async (request, response) => {
    const { pathname, search } = new URL(request.url, 'http://grafana');
    const [name, role] = userOf(request);
    const found = (pattern) => pathname.match(pattern);
    let match;
    if ((match = found(/^\/api\/plugin-proxy\/betrace-app\/(.*)$/))) {
      await proxied({ request, response, routes, path: match[1], search, user: { name, role }, ...state });
    } else if (pathname === '/api/plugins/betrace-app/settings') {
      await settings(request, response, state);
    } else if ((match = found(/^\/api\/datasources\/proxy\/uid\/tempo\/api\/traces\/(.*)$/))) {
      const trace = state.traces[match[1]];
      answer(response, trace ? 200 : 404, trace ? asTempo(trace) : { message: 'trace not found' });
    } else if (found(/^\/api\/(ds|datasources)\//) && datasource) {
      await passed(request, response, datasource);
    } else if (found(/^\/api\//)) {
      answer(response, 404, { message: 'Not found' });
    } else if ((match = found(/^\/(host|public|shared)\/(.*)$/))) {
      file(response, fileOf(host, match[1], match[2]));
    } else {
      response.setHeader('content-type', 'text/html');
      response.end(page(version, name, role));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, state, close: () => server.close() };
}

function userOf(request) {
  const cookie = request.headers.cookie?.match(/user=([^;]+)/)?.[1] ?? 'ada:Admin';
  return decodeURIComponent(cookie).split(':');
}

/** OTLP/JSON as Tempo answers it: under another name, and ids in base64. */
function asTempo({ resourceSpans }) {
  const told = (key, value) =>
    /^(trace|span|parentSpan)Id$/.test(key) ? Buffer.from(value, 'hex').toString('base64') : value;
  return { batches: JSON.parse(JSON.stringify(resourceSpans), told) };
}

/** Secrets never come out again: only that they are set. */
async function settings(request, response, state) {
  if (request.method === 'POST') {
    const { secureJsonData = {}, ...given } = JSON.parse(await bodyOf(request));
    Object.assign(state.settings, given);
    Object.assign(state.secrets, secureJsonData);
    for (const [key, value] of Object.entries(secureJsonData)) {
      state.settings.secureJsonFields[key] = value !== '';
    }
  }
  answer(response, 200, state.settings);
}

async function passed(request, response, address) {
  const { 'content-type': type = 'application/json' } = request.headers;
  const body = ['GET', 'HEAD'].includes(request.method) ? undefined : await bodyOf(request);
  const found = await fetch(address + request.url, { method: request.method, headers: { 'content-type': type }, body });
  response.writeHead(found.status, { 'content-type': found.headers.get('content-type') ?? 'application/json' });
  response.end(Buffer.from(await found.arrayBuffer()));
}

export async function bodyOf(request) {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fileOf(host, area, rest) {
  let match;
  if (area === 'host') {
    return path.join(GRAFANA, host, 'dist', rest);
  }
  if ((match = rest.match(/^plugins\/([^/]+)\/(.*)$/)) && PLUGINS[match[1]]) {
    return path.join(GRAFANA, PLUGINS[match[1]], match[2]);
  }
  if ((match = rest.match(/^fonts\/inter\/Inter-(\w+)\.woff2$/))) {
    return font('inter', `inter-latin-${WEIGHTS[match[1]] ?? 400}-normal.woff2`);
  }
  if (rest.startsWith('fonts/roboto/')) {
    return font('roboto-mono', 'roboto-mono-latin-400-normal.woff2');
  }
  return path.join(GRAFANA, 'node_modules/@grafana/ui/dist/public', rest.replace(/^build\//, ''));
}

const font = (name, file) => path.join(GRAFANA, 'node_modules/@fontsource', name, 'files', file);

function file(response, name) {
  if (!path.resolve(name).startsWith(GRAFANA) || !fs.existsSync(name)) {
    answer(response, 404, { message: 'Not found' });
    return;
  }
  response.writeHead(200, { 'content-type': TYPES[path.extname(name)] ?? 'application/octet-stream' });
  fs.createReadStream(name).pipe(response);
}

function page(version, name, role) {
  const boot = {
    settings: { appSubUrl: '', featureToggles: {}, buildInfo: { version, env: 'production' } },
    user: { login: name, orgRole: role, isGrafanaAdmin: false, isSignedIn: true, language: 'en-US', locale: 'en-US' },
    navTree: [],
  };
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Grafana</title><link rel="icon" href="data:,">
<body style="margin:0"><div id="root"></div><script>window.grafanaBootData=${JSON.stringify(boot)};window.__grafana_public_path__='/public/'</script>
<script src="/host/host.js"></script></body></html>`;
}
