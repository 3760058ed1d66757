import { narrowed } from './adhoc';
import { BeTraceQuery } from './types';

const all: BeTraceQuery = { refId: 'A', queryType: 'violations' };
const is = (key: string, ...values: string[]) => ({ key, operator: '=|', value: values[0], values });

test('filters are added to a query', () => {
  const filters = [
    { key: 'severity', operator: '=', value: 'high' },
    is('ruleId', 'a', 'b'),
    is('label:team', 'pay', 'x:y'),
    is('service', 'shop'),
    is('traceID', '0af7'),
  ];
  expect(narrowed({ ...all, labels: ['tier:1'] }, filters)).toEqual({
    ...all,
    severities: ['high'],
    rules: ['a', 'b'],
    labels: ['tier:1', 'team:pay', 'team:x:y'],
    services: ['shop'],
    traceId: '0af7',
  });
});

test('a filter and what the query says itself both hold', () => {
  const own = { ...all, severities: ['critical', 'high'], labels: ['team:pay', 'team:shop', 'tier:1'] };
  expect(narrowed(own, [is('severity', 'high', 'low')]).severities).toEqual(['high']);
  expect(narrowed(own, [is('severity', 'high'), is('severity', 'high')]).severities).toEqual(['high']);
  expect(narrowed(own, [is('label:team', 'shop')]).labels).toEqual(['tier:1', 'team:shop']);
  expect(narrowed(own, [is('severity', 'low')]).traceId).toBe('none');
  expect(narrowed({ ...all, traceId: '0af7' }, [is('traceID', '1bf8')]).traceId).toBe('none');
});

test('a filter that is not made yet changes nothing', () => {
  expect(narrowed(all, [{ key: '', operator: '=', value: 'x' }])).toBe(all);
  expect(narrowed(all, [{ key: 'severity', operator: '=', value: '' }])).toBe(all);
});

test('what BeTrace cannot be asked is told', () => {
  expect(() => narrowed(all, [{ key: 'severity', operator: '!=', value: 'low' }])).toThrow(
    "Filter on severity: BeTrace knows '=' and 'one of', not '!='"
  );
  expect(() => narrowed(all, [is('color', 'red')])).toThrow('Filter on color: BeTrace filters by severity, ruleId');
  expect(() => narrowed({ ...all, services: ['a'] }, [is('service', 'b')])).toThrow('filters services itself');
});
