// What people do with the plugins, on one host page (HOST=harness or harness-13), step by step.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { barriers, launch, open } from './browser.mjs';
import { serve } from './server.mjs';
import { API, ask, charge, DATASOURCE, HOST, produce, startApi, stopApi, TOKEN, until, VERSION } from './stage.mjs';

const RUN = `${HOST}-${randomBytes(2).toString('hex')}`; // the stage keeps what earlier runs have made
const ID = `charge-checked-${RUN}`;
const NAME = `Charge checked ${RUN}`;
const TRACE = randomBytes(16).toString('hex');

let browser, grafana, ada, bob, eve;

const RULES = '/a/betrace-app/rules';
const HERS = 'when { payment.charge_card.where(amount > 1000) as c } always { payment.fraud_check before c }';
const link = (page, name) => page.getByRole('link', { name, exact: true });
const button = (page, name) => page.getByRole('button', { name, exact: true });
const message = (page, text) => page.getByTestId('messages').getByText(text).waitFor();
const stored = (path = '') => ask(`/api/rules/${ID}${path}`);
const well = (page) => assert.deepEqual(page.complaints, []);

async function write(page, text) {
  await page.locator('.monaco-editor .view-lines').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text, { delay: 5 });
}

const condition = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('.monaco-editor .view-line')]
      .map((line) => line.textContent.replaceAll('\u00a0', ' '))
      .join('\n')
  );

async function accessible(page) {
  assert.deepEqual(await barriers(page), []);
}

/** What each person saw when a step failed, into the folder SHOTS. */
async function photograph() {
  for (const [name, page] of Object.entries(process.env.SHOTS ? { ada, bob, eve } : {})) {
    await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
  }
}

before(async () => {
  browser = await launch();
  grafana = await serve({ host: HOST, version: VERSION, datasource: DATASOURCE });
  [ada, bob, eve] = await Promise.all([
    open(browser, grafana.url, 'ada:Admin'),
    open(browser, grafana.url, 'bob:Editor'),
    open(browser, grafana.url, 'eve:Viewer'),
  ]);
});

after(async () => {
  await browser?.close();
  grafana?.close();
});

test(`Grafana ${VERSION}`, async (t) => {
  let failed = false; // each step begins where the one before it ended
  const step = (name, run) =>
    t.test(name, async (context) => {
      if (failed) {
        return context.skip('a step before it failed');
      }
      failed = true;
      try {
        await run();
        failed = false;
      } finally {
        failed && (await photograph());
      }
    });

  await step('an app without an address says where to set it', async () => {
    await ada.goto(RULES);
    await ada.getByText('Where is BeTrace?').waitFor();
    await link(ada, 'Configure').click();
    await ada.getByLabel('API address').waitFor();
    await accessible(ada);
  });

  await step('the configuration is tested: nothing there, a wrong token, all well', async () => {
    const save = async (address, token, told) => {
      await ada.getByLabel('API address').fill(address);
      const reset = button(ada, 'Reset');
      if (await reset.count()) {
        await reset.click();
      }
      await ada.getByRole('textbox', { name: 'Token' }).fill(token);
      await Promise.all([ada.waitForEvent('load'), button(ada, 'Save').click()]);
      await until(told, async () => {
        await button(ada, 'Test').click();
        const found = ada.getByText(told).waitFor({ timeout: 5000 });
        return found.then(() => true).catch(() => false); // an API on a busy machine may not be ready
      });
    };
    await save('http://127.0.0.1:9', 'x', 'Grafana does not reach BeTrace’s API');
    await save(API, 'wrong', 'BeTrace refuses the token');
    await save(`${API}/`, TOKEN, 'BeTrace answers, and takes the token');
    await ada.getByLabel('Select a data source').click();
    await ada.getByText('Tempo', { exact: true }).last().click();
    await Promise.all([ada.waitForEvent('load'), button(ada, 'Save').click()]);
    await button(ada, 'Test').waitFor();
    assert.deepEqual(grafana.state.settings.jsonData, { apiUrl: API, tempoUid: 'tempo' });
    await accessible(ada);
    well(ada);
  });

  await step('the list shows rules with figures, and narrows', async () => {
    await ada.goto(RULES);
    await ada.getByRole('row').nth(3).waitFor();
    const rows = await ada.getByRole('row').count();
    await ada.getByLabel('Search rules').fill('retry');
    await until('the search narrows', async () => (await ada.getByRole('row').count()) < rows);
    assert.match(ada.url(), /q=retry/);
    await ada.reload();
    await ada.getByRole('row').nth(1).waitFor();
    assert.equal(await ada.getByLabel('Search rules').inputValue(), 'retry');
    await ada.getByLabel('Search rules').fill('there is no such rule');
    await button(ada, 'Clear filters').click();
    await ada.getByText('today').first().waitFor();
    await accessible(ada);
    await ada.getByRole('combobox', { name: 'State' }).click();
    await ada.getByRole('option', { name: 'from a file' }).click();
    await until('one rule is of a file', async () => (await ada.getByRole('row').count()) === 2);
    await link(ada, 'One call retried many times').waitFor();
    await ada.goto(`${RULES}?severity=high&label=team:payments`);
    await link(ada, 'No order is confirmed after its card was declined').waitFor();
    assert.equal(await link(ada, 'Personal data is read only with an audit log').count(), 0); // it has no such label
    well(ada);
  });

  await step('a new rule with a mistake: a squiggle, a line that says what, and no saving', async () => {
    await link(ada, 'New rule').click();
    await ada.getByRole('textbox', { name: 'Name', exact: true }).fill(NAME);
    assert.equal(await ada.getByLabel('Id, which never changes').inputValue(), ID);
    await write(ada, 'when { payment.charge_card.where(amount = 1000) as charge');
    await ada.locator('.squiggly-error').first().waitFor();
    await ada.getByRole('status', { name: 'Diagnostics' }).getByText("did you mean '=='?").waitFor();
    assert(await button(ada, 'Save').isDisabled());
    await ada.keyboard.press('Escape'); // Monaco's own list of suggestions
    await accessible(ada);
  });

  await step('completion offers words, names of spans that came, and fields', async () => {
    const offered = async (text) => {
      await write(ada, text);
      await ada.keyboard.press('Escape');
      await ada.keyboard.press('Control+Space');
      await ada.locator('.suggest-widget.visible .monaco-list-row').first().waitFor();
      const labels = await ada.locator('.suggest-widget .monaco-list-row .label-name').allTextContents();
      await ada.keyboard.press('Escape');
      return labels;
    };
    assert((await offered('when { payment.ch')).includes('payment.charge_card'));
    assert((await offered('when { a } alw')).includes('always'));
    assert((await offered('when { a.where(amo')).includes('amount'));
    assert((await offered('when { a as charge } always { charge.amo')).includes('charge.amount'));
  });

  await step('a hover says what a word means', async () => {
    await write(ada, 'when { a } always { b before a }');
    await ada
      .locator('.view-line span', { hasText: /^before$/ })
      .last()
      .hover();
    await ada.locator('.monaco-hover-content', { hasText: 'ends no later than' }).first().waitFor();
    await ada.mouse.move(0, 0);
  });

  await step('the mistake is mended by what is suggested, and laid out', async () => {
    await write(
      ada,
      'when { payment.charge_card.where(amount = 1000) as charge } always { payment.fraud_check before charge }'
    );
    await button(ada, 'Use ==').click();
    await ada.getByText('No problems.').waitFor();
    await write(
      ada,
      'when {payment.charge_card.where(amount > 1000) as charge} always {payment.fraud_check before charge}'
    );
    await ada.getByText('No problems.').waitFor();
    assert.equal(await ada.locator('.squiggly-error').count(), 0);
    await button(ada, 'Format').click();
    await until('it is laid out', async () => (await condition(ada)).includes('when   { payment'));
    await ada.getByLabel('Message').fill('{charge.amount} charged without a check');
    await ada.getByLabel('Labels').fill('team:payments');
    await ada.keyboard.press('Enter');
  });

  await step('Tab leaves the editor after Ctrl+M', async () => {
    const isInEditor = () => ada.evaluate(() => document.activeElement.closest('.monaco-editor') !== null);
    await ada.locator('.monaco-editor textarea').first().focus();
    await ada.keyboard.press('Tab');
    assert(await isInEditor());
    await ada.keyboard.press('Control+z');
    await ada.keyboard.press('Control+m');
    await ada.keyboard.press('Tab');
    assert(!(await isInEditor()));
  });

  await step('it is tested on an example before it is saved, and says why', async () => {
    await ada.getByRole('tab', { name: 'Test' }).click();
    await ada.getByLabel('Example').click();
    await ada.getByRole('option', { name: 'A checkout, OTLP/JSON' }).click();
    const verdict = ada.getByRole('region', { name: 'Verdict' });
    await verdict.getByText('Violated').waitFor();
    await verdict.getByText('1500 charged without a check').waitFor();
    await verdict.getByRole('region', { name: 'Why' }).getByText('payment.fraud_check before charge').first().waitFor();
    await verdict.getByRole('table', { name: 'Trace' }).getByText('charge', { exact: true }).waitFor();
    await ada.getByLabel('Example').click();
    await ada.getByRole('option', { name: 'A checkout, short form' }).click();
    await verdict.getByText('Satisfied').waitFor();
    await accessible(ada);
    well(ada);
  });

  await step('a label that is none is refused', async () => {
    await ada.getByRole('tab', { name: 'Rule', exact: true }).click();
    await ada.getByLabel('Labels').fill('payments');
    await ada.keyboard.press('Enter');
    await ada.getByText('“payments” is not of the form key:value').waitFor();
    await ada.getByLabel('Labels').fill('tier:1');
    await ada.keyboard.press('Enter');
    await ada.getByText('“payments” is not').waitFor({ state: 'detached' });
    await button(ada, 'Remove tag: tier:1').click();
  });

  await step('leaving without saving asks; saving by the keyboard stores it', async () => {
    await link(ada, '› Rules').click();
    await button(ada, 'Stay').click();
    await ada.getByRole('tab', { name: 'Rule', exact: true }).click();
    await ada.keyboard.press('Control+s');
    await message(ada, `${NAME} is saved as version 1`);
    assert.match(ada.url(), new RegExp(`${RULES}/${ID}$`));
    const rule = await stored();
    assert.deepEqual([rule.updatedBy, rule.version, rule.labels], ['grafana:ada', 1, { team: 'payments' }]);
    assert.match(rule.condition, /^when {3}\{ payment/);
  });

  await step('what is discarded is gone, of all fields', async () => {
    await ada.getByLabel('Message').fill('another');
    await write(ada, 'payment.charge_card');
    await button(ada, 'Discard').click();
    await until('the condition is back', async () => (await condition(ada)).includes('payment.fraud_check'));
    assert.equal(await ada.getByLabel('Message').inputValue(), '{charge.amount} charged without a check');
    await ada.getByText('Not saved').waitFor({ state: 'detached' });
  });

  await step('spans that break it come, and the datasource’s table shows the violation with a link', async () => {
    const trace = charge(TRACE, 1500);
    grafana.state.traces[TRACE] = trace;
    await produce(trace);
    await until('the violation is there', async () => (await ask(`/api/violations?ruleId=${ID}`)).items.length);
    await ada.goto('/explore');
    await button(ada, 'Run query').click();
    const row = ada.getByRole('row').filter({ hasText: TRACE }).filter({ hasText: ID });
    await row.waitFor();
    const href = await row.getByRole('link').filter({ hasText: TRACE }).first().getAttribute('href');
    const { datasource, queries } = JSON.parse(new URL(href, grafana.url).searchParams.get('left'));
    assert.equal(datasource, 'tempo');
    assert.equal(queries[0].query, TRACE);
    well(ada);
  });

  await step('the trace of a violation is taken from Tempo by its id, by an address too', async () => {
    await ada.goto(`${RULES}/${ID}/test?traceId=${TRACE}`);
    const verdict = ada.getByRole('region', { name: 'Verdict' });
    await verdict.getByText('Violated').waitFor();
    await verdict.getByText(`1500 charged without a check`).waitFor();
    await ada.getByLabel('Trace id, from Tempo').fill('f'.repeat(32));
    await button(ada, 'Get').click();
    await ada.getByText(`Tempo has no trace ${'f'.repeat(32)}.`).waitFor();
    assert.equal(await verdict.count(), 0);
    grafana.state.traces['f'.repeat(32)] = charge('f'.repeat(32), 10);
    await button(ada, 'Get').click(); // it has come meanwhile
    await verdict.getByText('Not applicable').waitFor();
    await ada.getByLabel('Recent violation').click();
    await ada.getByRole('option', { name: '1500 charged' }).click();
    await verdict.getByText('Violated').waitFor();
    well(ada);
  });

  await step('two people change one rule: the second merges', async () => {
    await Promise.all([ada, bob].map((page) => page.goto(`${RULES}/${ID}`)));
    await Promise.all([ada, bob].map((page) => page.getByLabel('Message').waitFor()));
    await ada.getByLabel('Message').fill('hers');
    await ada.getByLabel('Description').fill('More than a thousand.');
    await write(ada, HERS);
    await ada.getByText('No problems.').waitFor();
    await button(ada, 'Save').click();
    await message(ada, 'saved as version 2');
    await bob.getByLabel('Message').fill('his');
    await bob.getByLabel('Runbook').fill('https://example.com/charges');
    await button(bob, 'Save').click();
    const dialog = bob.getByRole('dialog', { name: 'grafana:ada has saved version 2 meanwhile' });
    await dialog.getByText('Message: you both changed it').waitFor();
    await dialog.getByText('More than a thousand.').waitFor();
    await accessible(bob);
    await dialog.getByRole('radio', { name: 'Theirs (-)' }).click({ force: true });
    await button(dialog, 'Merge').click();
    assert.equal(await bob.getByLabel('Message').inputValue(), 'hers');
    await button(bob, 'Save').click();
    await message(bob, 'saved as version 3');
    const { message: said, description, condition, runbookUrl, updatedBy } = await stored();
    assert.deepEqual(
      [said, description, condition, runbookUrl, updatedBy],
      ['hers', 'More than a thousand.', HERS, 'https://example.com/charges', 'grafana:bob']
    );
    well(bob);
  });

  await step('the history tells who changed what; an earlier version comes back', async () => {
    await bob.getByRole('tab', { name: 'History' }).click();
    await bob.getByText('changed description, condition, message').waitFor();
    assert.equal(await bob.getByText('grafana:ada').count(), 2);
    await button(bob, '1').click();
    assert.match(bob.url(), /version=1/);
    await bob.getByRole('radio', { name: 'From it to the latest' }).click({ force: true });
    await bob.getByRole('region', { name: 'Message' }).getByText('hers').waitFor();
    await accessible(bob);
    await button(bob, 'Restore').click();
    await button(bob.getByRole('dialog'), 'Restore').click();
    await message(bob, 'Version 1 is restored as version 4');
    assert.equal((await stored()).message, '{charge.amount} charged without a check');
    await bob.getByRole('tab', { name: 'Rule', exact: true }).click();
    assert.equal(await bob.getByLabel('Message').inputValue(), '{charge.amount} charged without a check');
    well(bob);
  });

  await step('a viewer reads and tests, and cannot write', async () => {
    await eve.goto(RULES);
    await link(eve, NAME).waitFor();
    assert.equal(await link(eve, 'New rule').count(), 0);
    assert.equal(await eve.getByRole('button', { name: /Delete/ }).count(), 0);
    assert(await eve.getByRole('switch', { name: `Enable ${NAME}` }).isDisabled());
    await link(eve, NAME).click();
    await eve.getByText('You may read rules and test them').waitFor();
    assert.equal(await button(eve, 'Save').count(), 0);
    await accessible(eve);
    await eve.getByRole('tab', { name: 'Test' }).click();
    await eve.getByLabel('Example').click();
    await eve.getByRole('option', { name: 'Spans that the rule names' }).click();
    await eve.getByRole('region', { name: 'Verdict' }).waitFor();
    const refused = await eve.evaluate(async (id) => {
      const answer = await fetch(`/api/plugin-proxy/betrace-app/api/rules/${id}`, {
        method: 'DELETE',
        headers: { 'If-Match': '*' },
      });
      return [answer.status, (await answer.json()).message];
    }, ID);
    assert.deepEqual(refused, [403, 'plugin proxy route access denied']);
    well(eve);
  });

  await step('a rule of a file is read only', async () => {
    await ada.goto(RULES);
    await link(ada, 'One call retried many times').waitFor();
    assert(await ada.getByRole('switch', { name: 'Enable One call retried many times' }).isDisabled());
    assert.equal(await ada.getByRole('button', { name: 'Delete One call retried many times' }).count(), 0);
    await link(ada, 'One call retried many times').click();
    await ada.getByText('This rule comes from a rule file').waitFor();
    assert.equal(await button(ada, 'Save').count(), 0);
    assert(
      await ada
        .getByLabel('Message')
        .isEditable()
        .then((is) => !is)
    );
    await write(ada, 'not written');
    assert(!(await condition(ada)).includes('not written'));
  });

  await step('a rule is disabled and enabled from the list', async () => {
    await ada.goto(RULES);
    await ada.getByRole('switch', { name: `Enable ${NAME}` }).click({ force: true });
    await message(ada, `${NAME} is disabled`);
    assert.equal((await stored()).enabled, false);
    await until(
      'the list says so',
      async () => !(await ada.getByRole('switch', { name: `Enable ${NAME}` }).isChecked())
    );
    await ada.getByRole('switch', { name: `Enable ${NAME}` }).focus();
    await ada.keyboard.press('Space');
    await message(ada, `${NAME} is enabled`);
  });

  await step('the API goes away and comes back', async () => {
    await ada.goto(`${RULES}/${ID}`);
    await ada.getByLabel('Description').fill('Written while it was away.');
    await stopApi();
    await button(ada, 'Save').click();
    await ada.getByText('The rule was not saved').waitFor();
    await bob.goto(RULES);
    await bob.getByText('The rules could not be loaded').waitFor();
    await accessible(bob);
    await startApi();
    await link(bob, NAME).waitFor();
    await bob.getByText('The rules could not be loaded').waitFor({ state: 'detached' });
    await button(ada, 'Save').click();
    await message(ada, 'is saved as version');
    assert.equal((await stored()).description, 'Written while it was away.');
    well(bob);
  });

  await step('rules go out as a file, and come in after a look', async () => {
    await bob.goto(RULES);
    const [file] = await Promise.all([bob.waitForEvent('download'), button(bob, 'Export').click()]);
    assert.equal(file.suggestedFilename(), 'rules.yaml');
    await link(bob, 'Import').click();
    await bob.locator('input[type=file]').setInputFiles({
      name: 'x.yaml',
      mimeType: 'application/yaml',
      buffer: Buffer.from('rules:\n- {id: x, condition: "a and"}\n'),
    });
    await button(bob, 'See what it would do').click();
    await bob.getByText('Nothing was imported').waitFor();
    await bob.locator('input[type=file]').setInputFiles({
      name: 'x.yaml',
      mimeType: 'application/yaml',
      buffer: Buffer.from(`rules:\n- {id: imported-${RUN}, name: Imported ${RUN}, condition: "a and b"}\n`),
    });
    await button(bob, 'See what it would do').click();
    await bob.getByText('To be created:').waitFor();
    assert.equal(await link(bob, `imported-${RUN}`).count(), 0); // there is no such page yet
    assert.equal((await ask(`/api/rules/imported-${RUN}`)).status, 404);
    await accessible(bob);
    await button(bob, 'Import 1 rule').click();
    await message(bob, 'The rules are imported');
    assert.equal((await ask(`/api/rules/imported-${RUN}`)).name, `Imported ${RUN}`);
    well(bob);
  });

  await step('a rule is deleted after a question, and comes back from its history', async () => {
    await bob.goto(RULES);
    await bob.getByRole('button', { name: `Delete Imported ${RUN}` }).click();
    await button(bob.getByRole('dialog'), 'Delete').click();
    await message(bob, `Imported ${RUN} is deleted`);
    assert.equal((await ask(`/api/rules/imported-${RUN}`)).status, 404);
    await bob.goto(`${RULES}/imported-${RUN}`);
    await bob.getByText(`There is no rule imported-${RUN}`).waitFor();
    await button(bob, '1').click();
    await button(bob, 'Restore').click();
    await button(bob.getByRole('dialog'), 'Restore').click();
    await bob.getByLabel('Message').waitFor();
    await ask(`/api/rules/imported-${RUN}`, { method: 'DELETE', headers: { 'if-match': '*' } });
    well(bob);
  });

  await step('no console complained', () => [ada, bob, eve].forEach(well));
});
