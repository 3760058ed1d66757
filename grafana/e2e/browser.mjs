// A browser as people of different roles have it, which fails a test for what its console complains of.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const REFUSED = /Failed to load resource: the server responded with a status of (40[0-9]|412|422|428|429|50[0-9])/; // told of refusals that steps ask for

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });

/** A page of a user, `name:Role`; `complaints` is what its console said. */
export async function open(browser, url, user, { width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, baseURL: url, acceptDownloads: true });
  await context.addCookies([{ name: 'user', value: encodeURIComponent(user), url }]);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a busy machine takes its time
  page.complaints = [];
  page.on('console', (message) => {
    const text = `${message.text()} ${message.location().url ?? ''}`;
    if (message.type() === 'error' && !REFUSED.test(text)) {
      page.complaints.push(text);
    }
  });
  page.on('pageerror', (error) => page.complaints.push(String(error.stack ?? error)));
  return page;
}

/** What axe finds that is serious or worse, as texts; colors that are changing have come to their ends. */
export async function barriers(page) {
  await page.evaluate(AXE);
  await page.evaluate(() => {
    const ending = document.getAnimations().filter(({ effect }) => effect.getTiming().iterations !== Infinity);
    return Promise.allSettled(ending.map(({ finished }) => finished)).then(() => undefined);
  });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`)
    );
}
