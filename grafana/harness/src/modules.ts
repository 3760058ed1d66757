/** Loads plugins by SystemJS, and shares with them what Grafana shares. */
import 'systemjs/dist/system';
import 'systemjs/dist/extras/amd';
import * as emotionCss from '@emotion/css';
import * as emotionReact from '@emotion/react';
import * as grafanaData from '@grafana/data';
import * as grafanaRuntime from '@grafana/runtime';
import * as grafanaUI from '@grafana/ui';
import * as lodash from 'lodash';
import * as React from 'react';
import * as ReactDOM from 'react-dom';
import * as jsxRuntime from 'react/jsx-runtime';
import * as routerCompat from 'react-router-dom-v5-compat';
import * as rxjs from 'rxjs';
import { Page } from './Page';

declare const System: {
  set(id: string, module: object): void;
  import(id: string): Promise<Record<string, unknown>>;
  constructor: { prototype: { resolve(id: string, parent: string): string } };
};

const SHARED: Record<string, object> = {
  react: React,
  'react-dom': ReactDOM,
  'react/jsx-runtime': jsxRuntime,
  'react-router': routerCompat,
  '@emotion/css': emotionCss,
  '@emotion/react': emotionReact,
  '@grafana/data': grafanaData,
  '@grafana/runtime': { ...grafanaRuntime, PluginPage: Page },
  '@grafana/ui': grafanaUI,
  lodash,
  rxjs,
};

const addresses = Object.fromEntries(Object.keys(SHARED).map((name) => [name, `${location.origin}/shared/${name}`]));
for (const [name, module] of Object.entries(SHARED)) {
  const given = 'default' in module ? module.default : module;
  System.set(addresses[name], { ...module, default: given, __useDefault: false });
}

const { prototype } = System.constructor;
const resolve = prototype.resolve;
prototype.resolve = function (id, parent) {
  return addresses[id] ?? resolve.call(this, id, parent);
};

/** A plugin with its plugin.json and settings; null if it is not built. */
export async function importPlugin(id: string): Promise<any> {
  const described = await fetch(`/public/plugins/${id}/plugin.json`);
  if (!described.ok) {
    return null;
  }
  const { plugin } = (await System.import(`/public/plugins/${id}/module.js`)) as { plugin: any };
  const settings = await fetch(`/api/plugins/${id}/settings`);
  plugin.meta = { ...(await described.json()), ...(settings.ok ? await settings.json() : {}) };
  return plugin;
}
