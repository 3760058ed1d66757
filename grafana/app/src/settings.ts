import { createContext } from 'react';
import { OrgRole } from '@grafana/data';
import { config } from '@grafana/runtime';
import type { Rule } from './api/types';

export const PLUGIN_ID = 'betrace-app';

/** What the configuration page keeps, beside the token. */
export interface Settings {
  apiUrl?: string;
  tempoUid?: string;
}

export const SettingsContext = createContext<Settings>({});

/** Whether Grafana lets this user write through the proxy: plugin.json asks for Editor. */
export function mayWrite(): boolean {
  const { orgRole, isGrafanaAdmin } = config.bootData.user;
  return isGrafanaAdmin || orgRole === OrgRole.Admin || orgRole === OrgRole.Editor;
}

/** Rules of files are changed there. */
export const isWritable = (rule: Rule) => mayWrite() && rule.source === 'api';
