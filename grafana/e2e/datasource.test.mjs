// What people do with the datasource, on one host page (HOST=harness or harness-13), step by step.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers, launch, open } from './browser.mjs';
import { serve } from './server.mjs';
import { ask, DATASOURCE, HOST, startApi, stopApi, until, VERSION } from './stage.mjs';

const RULE = 'charge-without-fraud-check';

let browser, grafana, page;
const button = (name) => page.getByRole('button', { name, exact: true });
const frame = (name) => page.getByRole('region', { name });
const rows = () => frame('violations').getByRole('row');

/** Chooses what a combobox offers; one of several values stays open. */
async function choose(label, text, { several = true } = {}) {
  await page.getByLabel(label, { exact: true }).click();
  await page.getByRole('option', { name: text }).first().click();
  several && (await page.keyboard.press('Escape'));
}

before(async () => {
  browser = await launch();
  grafana = await serve({ host: HOST, version: VERSION, datasource: DATASOURCE });
  page = await open(browser, grafana.url, 'eve:Viewer');
  await until('the shop has broken a rule', async () => (await ask(`/api/violations?ruleId=${RULE}`)).items.length > 0);
});

after(async () => {
  await browser?.close();
  grafana?.close();
});

test(`the datasource in Grafana ${VERSION}`, async (t) => {
  await t.test('Explore begins with a table, whose trace ids lead to Tempo at the evidence', async () => {
    await page.goto('/explore');
    await button('Run query').click();
    await rows().nth(1).waitFor();
    const [found] = (await ask(`/api/violations?ruleId=${RULE}`)).items;
    const href = await rows().filter({ hasText: found.traceId }).getByRole('link').first().getAttribute('href');
    const { datasource, queries, panelsState } = JSON.parse(new URL(href, grafana.url).searchParams.get('left'));
    assert.equal(datasource, 'tempo');
    assert.deepEqual([queries[0].query, queries[0].queryType], [found.traceId, 'traceql']);
    assert.deepEqual(panelsState, { trace: { spanId: found.spans[0].spanId } });
    await page.getByLabel('Trace', { exact: true }).click(); // off the button, whose color is Grafana's
    assert.deepEqual(await barriers(page), []);
  });

  await t.test('filters are completed with what there is, and take variables', async () => {
    await choose('Rule', 'Fraud check before large charges');
    await until('only that rule is shown', async () => {
      const texts = await rows().allTextContents();
      return texts.length > 1 && texts.slice(1).every((text) => text.includes(RULE));
    });
    await page.getByLabel('Service', { exact: true }).fill('$service');
    await page.getByRole('option', { name: '$service' }).click();
    await page.keyboard.press('Escape');
    await until('a service that there is not hides all', async () => (await rows().count()) === 1);
    await page.getByRole('button', { name: 'Remove $service' }).click();
    await until('they are back', async () => (await rows().count()) > 1);
    await choose('Severity', 'low');
    await until('no rule of low severity is this one', async () => (await rows().count()) === 1);
  });

  await t.test('a limit that cuts says so', async () => {
    await page.goto('/explore');
    await page.getByLabel('Limit').fill('1');
    await page.getByLabel('Limit').press('Enter');
    await page.getByText('only the newest 1 are shown').waitFor();
    assert.equal(await rows().count(), 2);
  });

  await t.test('numbers are grouped', async () => {
    await page.getByLabel('Count', { exact: true }).check({ force: true });
    await frame('count').getByRole('cell').first().waitFor();
    await choose('Group by', 'Rule', { several: false });
    await frame('count').getByRole('cell', { name: RULE }).waitFor();
    await page.getByLabel('Time series').check({ force: true });
    await frame(new RegExp(RULE)).getByRole('row').nth(5).waitFor();
    assert.deepEqual(await barriers(page), []);
  });

  await t.test('an error says what is wrong, and the API comes back', async () => {
    await stopApi();
    try {
      await button('Run query').click();
      await page.getByText('cannot be reached').first().waitFor();
      await button('Save & test').click();
      await page
        .getByText(/^BeTrace's API at .* cannot be reached/)
        .last()
        .waitFor();
    } finally {
      await startApi();
    }
    await button('Run query').click();
    await frame(new RegExp(RULE)).waitFor();
    await button('Save & test').click();
    await page.getByText(/^BeTrace .* answers; it has \d+ rules/).waitFor();
  });

  await t.test('no console complained', () => assert.deepEqual(page.complaints, []));
});
