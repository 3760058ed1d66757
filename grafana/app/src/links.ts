import { PLUGIN_ID } from './settings';

const ROOT = `/a/${PLUGIN_ID}`;

export const RULES = `${ROOT}/rules`;
export const NEW_RULE = `${ROOT}/new`;
export const IMPORT = `${ROOT}/import`;
export const CONFIGURATION = `/plugins/${PLUGIN_ID}`;

export type Tab = 'rule' | 'test' | 'history';

/** The address of a rule's page, of a new one without an id. */
export function ruleLink(id: string | undefined, tab: Tab = 'rule'): string {
  const page = id === undefined ? NEW_RULE : `${RULES}/${encodeURIComponent(id)}`;
  return tab === 'rule' ? page : `${page}/${tab}`;
}
