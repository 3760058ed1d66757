// What tests/grafana/stage.py has started, and how it is steered.
import assert from 'node:assert';
import fs from 'node:fs';
import path from 'node:path';

const { BETRACE_API, BETRACE_TOKEN, BETRACE_STAGE, BETRACE_DATASOURCE } = process.env;
assert(BETRACE_STAGE, 'run this by pytest tests/grafana, or with what python -m tests.grafana.stage prints');

export const API = BETRACE_API;
export const TOKEN = BETRACE_TOKEN;
export const DATASOURCE = BETRACE_DATASOURCE;

/** The host page that is played on, and the version of Grafana that it has. */
export const HOST = process.env.HOST ?? 'harness';
const described = fs.readFileSync(path.join(import.meta.dirname, '..', HOST, 'package.json'));
export const VERSION = JSON.parse(described).dependencies['@grafana/ui'];

async function steer(step, body) {
  const answer = await fetch(`${BETRACE_STAGE}/${step}`, { method: 'POST', body });
  assert.equal(answer.status, 204, `${step}: ${await answer.text()}`);
}

export const stopApi = () => steer('stop');
export const startApi = () => steer('start');
export const produce = (trace) => steer('produce', JSON.stringify(trace));

export async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...options.headers };
  const answer = await fetch(API + path, { ...options, headers });
  const text = await answer.text();
  return text === '' ? undefined : JSON.parse(text);
}

/** Waits until `look` gives something. */
export async function until(what, look, patience = 60_000) {
  const end = Date.now() + patience;
  while (Date.now() < end) {
    const found = await look();
    if (found) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what} did not come true in ${patience / 1000} s`);
}

/** A trace of one charge, OTLP/JSON. */
export function charge(traceId, amount) {
  const span = (spanId, name, from, to, more) => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const at = (ms) => String(now + BigInt(ms) * 1_000_000n);
    return { traceId, spanId, name, kind: 2, startTimeUnixNano: at(from), endTimeUnixNano: at(to), ...more };
  };
  const attributes = [{ key: 'amount', value: { intValue: `${amount}` } }];
  const spans = [
    span('a'.repeat(16), 'checkout', 0, 90),
    span('b'.repeat(16), 'payment.charge_card', 40, 60, { parentSpanId: 'a'.repeat(16), attributes }),
  ];
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'payments' } }] };
  return { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
}
