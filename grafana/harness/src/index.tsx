/** A page that loads a plugin's production build as Grafana does, with Grafana's published packages. */
import './workers';
import { createRoot } from 'react-dom/client';
import { version } from 'react';
import { initPluginTranslations } from '@grafana/i18n';
import { config } from '@grafana/runtime';
import { App } from './App';
import { importPlugin } from './modules';
import { serve } from './services';

async function main() {
  await initPluginTranslations('harness');
  serve();
  const [app, datasource] = await Promise.all([importPlugin('betrace-app'), importPlugin('betrace-datasource')]);
  createRoot(document.getElementById('root')!).render(<App app={app} datasource={datasource} />);
  document.documentElement.dataset.react = version;
  document.documentElement.dataset.grafana = config.buildInfo.version;
}

main().catch((error) => console.error('the host page failed', error));
