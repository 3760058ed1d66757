// Photographs each page, light and dark, wide and narrow, into the folder SHOTS; axe looks at each too.
import assert from 'node:assert/strict';
import { barriers, launch, open } from './browser.mjs';
import { serve } from './server.mjs';
import { API, ask, charge, DATASOURCE, TOKEN } from './stage.mjs';

const TRACE = '5b8efff798038103d269b633813fc60c';
const ID = 'charge-without-fraud-check';
const RULE = `/a/betrace-app/rules/${ID}`;
const HOST = { host: process.env.HOST ?? 'harness', version: '12.4.10' };

const settled = (page) => page.waitForLoadState('networkidle');
const edited = (page) => page.locator('.monaco-editor .view-line').first().waitFor();

const PAGES = {
  rules: { path: '/a/betrace-app/rules', ready: (page) => page.getByText('today').first().waitFor() },
  rule: { path: RULE, ready: (page) => page.getByText('No problems.').waitFor() },
  mistake: {
    path: '/a/betrace-app/new',
    ready: async (page) => {
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Large charges are checked');
      await edited(page);
      await page.locator('.monaco-editor .view-lines').click();
      await page.keyboard.type('when { payment.charge_card.where(amount = 1000) as charge }\nalways { payment.fr');
      await page.locator('.squiggly-error').first().waitFor();
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+Space');
      await page.locator('.suggest-widget.visible .monaco-list-row').first().waitFor();
    },
  },
  test: {
    path: `${RULE}/test?traceId=${TRACE}`,
    ready: async (page) => {
      await edited(page);
      await page.getByRole('table', { name: 'Trace' }).waitFor();
    },
  },
  history: { path: `${RULE}/history`, ready: (page) => page.getByText('changed').first().waitFor() },
  import: {
    path: '/a/betrace-app/import',
    ready: async (page) => {
      const rules =
        'rules:\n  - id: cart-before-checkout\n    name: A cart before checkout\n    condition: when { checkout as c } always { cart.get before c }\n';
      await edited(page);
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'rules.yaml', mimeType: 'application/yaml', buffer: Buffer.from(rules) });
      await page.getByRole('button', { name: 'See what it would do' }).click();
      await page.getByText('To be created').waitFor();
    },
  },
  configuration: {
    path: '/plugins/betrace-app',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Test' }).click();
      await page.getByText('BeTrace answers').waitFor();
    },
  },
  violations: {
    path: '/explore',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Run query', exact: true }).click();
      await page.getByRole('region', { name: 'violations' }).getByRole('row').nth(1).waitFor();
    },
  },
  conflict: {
    path: RULE,
    ready: async (page) => {
      await page.getByLabel('Description').waitFor();
      const rule = await ask(`/api/rules/${ID}`);
      const put = (changed) =>
        ask(`/api/rules/${ID}`, {
          method: 'PUT',
          headers: { 'if-match': '*', 'x-grafana-user': 'bob' },
          body: JSON.stringify({ ...rule, ...changed }),
        });
      await put({ severity: 'high', description: 'Charges over 1000 need a check first.', updatedBy: undefined });
      await page.getByLabel('Description').fill('Large charges need a check first.');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('dialog').waitFor();
      await put({});
    },
  },
};

const grafana = await serve({ ...HOST, datasource: DATASOURCE });
Object.assign(grafana.state.settings, {
  jsonData: { apiUrl: API, tempoUid: 'tempo' },
  secureJsonFields: { apiToken: true },
});
grafana.state.secrets.apiToken = TOKEN;
grafana.state.traces[TRACE] = charge(TRACE, 1500);
const rule = await ask(`/api/rules/${ID}`);
await ask(`/api/rules/${ID}`, {
  method: 'PUT',
  headers: { 'if-match': '*', 'x-grafana-user': 'ada' },
  body: JSON.stringify({ ...rule, labels: { team: 'payments' } }),
});

const browser = await launch();
const wanted = process.argv.slice(2);
const found = [];
for (const theme of ['dark', 'light']) {
  for (const width of [1280, 800]) {
    const page = await open(browser, grafana.url, 'ada:Admin', { width, height: 800 });
    for (const [name, { path, ready }] of Object.entries(PAGES)) {
      if (wanted.length > 0 && !wanted.includes(name)) {
        continue;
      }
      await page.goto(`${path}${path.includes('?') ? '&' : '?'}theme=${theme}`);
      await ready(page).catch((error) => found.push(`${name} ${theme} ${width}: ${error}`));
      await page.mouse.move(0, 0);
      await settled(page);
      await page.screenshot({
        path: `${process.env.SHOTS}/${name}-${theme}-${width}.png`,
        fullPage: name !== 'mistake',
      });
      if (name !== 'mistake') {
        found.push(...(await barriers(page)).map((each) => `${name} ${theme} ${width}: ${each}`));
      }
      found.push(...page.complaints.splice(0).map((each) => `${name} ${theme} ${width}: ${each}`));
    }
    await page.context().close();
  }
}
await browser.close();
grafana.close();
assert.deepEqual(found, []);
