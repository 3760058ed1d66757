import type { Draft, Rule } from './api/types';

/** A part of a rule that people write, and its text where two versions are compared. */
export interface Field {
  key: keyof Draft;
  label: string;
  text: (rule: Draft) => string;
}

const plain = (key: 'name' | 'description' | 'condition' | 'message' | 'runbookUrl', label: string): Field => ({
  key,
  label,
  text: (rule) => rule[key] ?? '',
});

export const FIELDS: Field[] = [
  plain('name', 'Name'),
  plain('description', 'Description'),
  plain('condition', 'Condition'),
  { key: 'severity', label: 'Severity', text: (rule) => rule.severity },
  plain('message', 'Message'),
  { key: 'enabled', label: 'Enabled', text: (rule) => (rule.enabled ? 'yes' : 'no') },
  { key: 'mode', label: 'Mode', text: (rule) => rule.mode },
  { key: 'onIncomplete', label: 'Incomplete traces', text: (rule) => rule.onIncomplete },
  { key: 'labels', label: 'Labels', text: (rule) => labelTags(rule).sort().join('\n') },
  { key: 'compliance', label: 'Compliance', text: (rule) => controlTags(rule).join('\n') },
  plain('runbookUrl', 'Runbook'),
];

export const labelTags = ({ labels }: Draft) => Object.entries(labels).map(([key, value]) => `${key}:${value}`);
export const controlTags = ({ compliance }: Draft) => compliance.map((each) => `${each.framework}:${each.control}`);

/** The two sides of `key:value`; undefined for a tag that is none. */
export function split(tag: string): [string, string] | undefined {
  const at = tag.indexOf(':');
  return at > 0 && at < tag.length - 1 ? [tag.slice(0, at).trim(), tag.slice(at + 1).trim()] : undefined;
}

export const changedFields = (before: Draft, after: Draft) => FIELDS.filter(({ text }) => text(before) !== text(after));

export const newDraft = (): Draft => ({
  id: '',
  name: '',
  description: '',
  severity: 'medium',
  enabled: true,
  mode: 'enforce',
  onIncomplete: 'judge',
  condition: '',
  message: null,
  labels: {},
  compliance: [],
  runbookUrl: null,
});

/** An id as the API takes it, made of a name. */
export const idOf = (name: string) =>
  name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 128);

/** Mine with what they changed, and the fields that both changed differently, which are still as mine. */
export function merge(base: Draft, theirs: Rule, mine: Draft): { draft: Draft; conflicts: Field[] } {
  const changedByThem = changedFields(base, theirs);
  const conflicts = changedByThem.filter(({ text }) => text(mine) !== text(base) && text(mine) !== text(theirs));
  const taken = changedByThem.filter((field) => !conflicts.includes(field));
  return { draft: take(mine, theirs, taken), conflicts };
}

/** One rule with some fields of another. */
export const take = (one: Draft, other: Draft, fields: Field[]): Draft => ({
  ...one,
  ...Object.fromEntries(fields.map(({ key }) => [key, other[key]])),
});
