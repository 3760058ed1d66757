// Each page, and what it says of trouble, light and dark, wide and narrow, on one host page (HOST): axe finds nothing serious, no
// console complains, nothing sticks out. Photographs go into the folder SHOTS; `--test-name-pattern rules` takes some alone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers, launch, open } from './browser.mjs';
import { serve } from './server.mjs';
import { API, ask, charge, DATASOURCE, HOST, TOKEN, VERSION } from './stage.mjs';

const TRACE = '5b8efff798038103d269b633813fc60c';
const ID = 'charge-without-fraud-check';
const RULES = '/a/betrace-app/rules';
const RULE = `${RULES}/${ID}`;
const SETTINGS = { apiUrl: API, tempoUid: 'tempo' };

const LOOKS = ['dark', 'light'].flatMap((theme) => [1280, 800].map((width) => ({ theme, width })));
const BACKGROUNDS = { dark: 'rgb(17, 18, 23)', light: 'rgb(251, 251, 251)' };

const button = (page, name) => page.getByRole('button', { name, exact: true });
const edited = (page) => page.locator('.monaco-editor .view-line').first().waitFor();
const says = (text) => (page) => page.getByText(text).first().waitFor();

/** An import that has been looked at. */
const looked = (rules, text) => async (page) => {
  await edited(page);
  const file = { name: 'rules.yaml', mimeType: 'application/yaml', buffer: Buffer.from(rules) };
  await page.locator('input[type=file]').setInputFiles(file);
  await button(page, 'See what it would do').click();
  await page.getByText(text).waitFor();
};

async function mistaken(page) {
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Large charges are checked');
  await edited(page);
  await page.locator('.monaco-editor .view-lines').click();
  await page.keyboard.type('when { payment.charge_card.where(amount = 1000) as charge }\nalways { payment.fr');
  await page.locator('.squiggly-error').first().waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Space');
  await page.locator('.suggest-widget.visible .monaco-list-row').first().waitFor();
}

async function tested(page) {
  await edited(page);
  await page.getByRole('table', { name: 'Trace' }).waitFor();
}

async function checked(page) {
  await button(page, 'Test').click();
  await page.getByText('BeTrace answers').waitFor();
}

async function counted(page) {
  await page.getByLabel('Count', { exact: true }).check({ force: true });
  await page.getByLabel('Group by', { exact: true }).click();
  await page.getByRole('option', { name: 'Rule' }).click();
  await page.getByRole('region', { name: 'count' }).getByRole('cell', { name: ID }).waitFor();
}

async function queried(page) {
  await button(page, 'Run query').click();
  await page.getByRole('region', { name: 'violations' }).getByRole('row').nth(1).waitFor();
  await page.evaluate(() => document.activeElement.blur()); // Grafana's own colors of a button with the focus are pale
}

/** Two people have changed the description of one rule. */
async function conflicting(page) {
  await page.getByLabel('Description').waitFor();
  const rule = await ask(`/api/rules/${ID}`);
  await put({ ...rule, severity: 'high', description: 'Charges over 1000 need a check first.' }, 'bob');
  try {
    await page.getByLabel('Description').fill('Large charges need a check first.');
    await button(page, 'Save').click();
    await page.getByRole('dialog').waitFor();
  } finally {
    await put(rule, 'bob');
  }
}

const put = (rule, user) =>
  ask(`/api/rules/${ID}`, {
    method: 'PUT',
    headers: { 'if-match': '*', 'x-grafana-user': user },
    body: JSON.stringify(rule),
  });

const NEW =
  'rules:\n  - id: cart-before-checkout\n    name: A cart before checkout\n    condition: when { checkout as c } always { cart.get before c }\n';

/** How to come to each, and when it is there. `rules` are there instead of the API's. `over` says that something lies over the page, which `close` takes away. */
const PAGES = {
  rules: { path: RULES, ready: says('today') },
  rule: { path: RULE, ready: says('No problems.') },
  mistake: { path: '/a/betrace-app/new', ready: mistaken, over: true, close: (page) => page.keyboard.press('Escape') },
  test: { path: `${RULE}/test?traceId=${TRACE}`, ready: tested },
  history: { path: `${RULE}/history`, ready: says('changed') },
  import: { path: '/a/betrace-app/import', ready: looked(NEW, 'To be created') },
  configuration: { path: '/plugins/betrace-app', ready: checked },
  violations: { path: '/explore', ready: queried },
  conflict: { path: RULE, ready: conflicting, over: true },
};

const TROUBLES = {
  'no rules yet': { path: RULES, ready: says('There are no rules yet'), rules: [] },
  unset: { path: RULES, ready: says('Where is BeTrace?'), settings: {} },
  away: { path: RULES, ready: says('The rules could not be loaded'), settings: { apiUrl: 'http://127.0.0.1:9' } },
  'no such rule': { path: `${RULES}/none`, ready: says('Nor has there been one.') },
  'nothing found': { path: `${RULES}?q=none`, ready: says('No rule is like that') },
  'a viewer': { path: RULE, ready: says('You may read rules and test them'), user: 'eve:Viewer' },
  'a rule of a file': { path: `${RULES}/retry-storm`, ready: says('This rule comes from a rule file') },
  'no such trace': { path: `${RULE}/test?traceId=${'f'.repeat(32)}`, ready: says('Tempo has no trace') },
  'a wrong file': {
    path: '/a/betrace-app/import',
    ready: looked('rules:\n- {id: x, condition: "a and"}\n', 'Nothing was imported'),
  },
  counts: { path: '/explore', ready: counted },
};

let browser, grafana;
const pages = new Map(); // each keeps what it has loaded

before(async () => {
  browser = await launch();
  grafana = await serve({ host: HOST, version: VERSION, datasource: DATASOURCE });
  grafana.state.settings.secureJsonFields.apiToken = true;
  grafana.state.secrets.apiToken = TOKEN;
  grafana.state.traces[TRACE] = charge(TRACE, 1500);
  await put({ ...(await ask(`/api/rules/${ID}`)), labels: { team: 'payments' } }, 'ada');
});

after(async () => {
  await browser?.close();
  grafana?.close();
});

async function look(name, { path, ready, rules, over, close, settings = SETTINGS, user = 'ada:Admin' }, look) {
  const { theme, width } = look;
  grafana.state.settings.jsonData = settings;
  const page = await pageOf(user, width);
  await page.unrouteAll();
  rules && (await page.route('**/api/rules?*', (route) => route.fulfill({ json: { items: rules, nextCursor: null } })));
  await page.goto(`${path}${path.includes('?') ? '&' : '?'}theme=${theme}`);
  await ready(page);
  await page.mouse.move(0, 0);
  await page.waitForLoadState('networkidle');
  await photograph(page, `${name.replaceAll(' ', '-')}-${theme}-${width}`, !over);
  await close?.(page);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), BACKGROUNDS[theme]);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'something sticks out');
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(page.complaints, []);
}

async function pageOf(user, width) {
  const key = `${user} ${width}`;
  if (!pages.has(key)) {
    pages.set(key, await open(browser, grafana.url, user, { width, height: 800 }));
  }
  const page = pages.get(key);
  page.complaints.length = 0;
  return page;
}

async function photograph(page, name, fullPage) {
  if (process.env.SHOTS) {
    await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage });
  }
}

const both = [
  ...Object.entries(PAGES).map((each) => [...each, LOOKS]),
  ...Object.entries(TROUBLES).map((each) => [...each, [LOOKS[0], LOOKS[3]]]),
];
for (const [name, page, looks] of both) {
  for (const each of looks) {
    test(`${name}, ${each.theme}, ${each.width} wide`, () => look(name, page, each));
  }
}
