import type { Draft, Rule } from './api/types';
import { changedFields, idOf, merge, newDraft, split, take } from './rule';

const draft = (changed: Partial<Draft> = {}): Draft => ({
  ...newDraft(),
  id: 'a',
  name: 'A',
  condition: 'a',
  ...changed,
});
const rule = (changed: Partial<Draft>): Rule => ({
  ...{ ...draft(changed), version: 2, updatedAt: null, updatedBy: 'bob', source: 'api' },
});

const labels = (fields: Array<{ label: string }>) => fields.map(({ label }) => label);

test('what two people changed in different fields is merged', () => {
  const { draft: merged, conflicts } = merge(draft(), rule({ severity: 'high' }), draft({ message: 'mine' }));
  expect(conflicts).toEqual([]);
  expect(merged).toEqual(draft({ severity: 'high', message: 'mine' }));
});

test('what both changed differently is a conflict, and stays mine until it is decided', () => {
  const theirs = rule({ condition: 'theirs', labels: { team: 'x' }, enabled: false });
  const mine = draft({ condition: 'mine', labels: { team: 'x' } });
  const { draft: merged, conflicts } = merge(draft(), theirs, mine);
  expect(labels(conflicts)).toEqual(['Condition']);
  expect(merged).toEqual(draft({ condition: 'mine', labels: { team: 'x' }, enabled: false }));
  expect(take(merged, theirs, conflicts).condition).toBe('theirs');
});

test('labels are the same in any order, and what is not set is as good as empty', () => {
  const one = draft({ labels: { a: '1', b: '2' }, message: null });
  expect(changedFields(one, draft({ labels: { b: '2', a: '1' }, message: '' }))).toEqual([]);
  expect(labels(changedFields(one, draft({ mode: 'shadow' })))).toEqual(['Labels', 'Mode'].reverse());
});

test.each([
  ['team:payments', ['team', 'payments']],
  ['a:b:c', ['a', 'b:c']],
  ['team', undefined],
  [':x', undefined],
  ['x:', undefined],
])('the tag %s', (tag, pair) => {
  expect(split(tag)).toEqual(pair);
});

test.each([
  ['Charges over 1,000 are checked!', 'charges-over-1-000-are-checked'],
  ['Überweisung', 'uberweisung'],
  ['—', ''],
])('the id of %s', (name, id) => {
  expect(idOf(name)).toBe(id);
});
