import { TemplateSrv } from '@grafana/runtime';
import { expand, expandAll } from './expand';

/** Variables as Grafana replaces them, of these values. */
function variables(values: Record<string, string | string[]>): TemplateSrv {
  return {
    getVariables: () => Object.entries(values).map(([name, value]) => ({ name, current: { value } })),
    replace: (text: string, _: unknown, format: (value: string | string[]) => string) =>
      text.replace(/\$(\w+)|\$\{(\w+)\}/g, (found, plain, braced) => {
        const value = values[plain ?? braced];
        return value === undefined ? found : format(value);
      }),
  } as unknown as TemplateSrv;
}

const some = variables({ rule: ['a,b', 'c'], team: 'pay', every: ['$__all'], none: [] });

test('a variable with several values is as many values, commas in them too', () => {
  expect(expand('$rule', some, {})).toEqual(['a,b', 'c']);
  expect(expand('team:${team}', some, {})).toEqual(['team:pay']);
  expect(expand('x$rule-${team}', some, {})).toEqual(['xa,b-pay', 'xc-pay']);
  expect(expand('plain', some, {})).toEqual(['plain']);
  expect(expand('$unknown', some, {})).toEqual(['$unknown']);
});

test('a filter holds each value once, and none that is empty', () => {
  expect(expandAll(['c', '$rule', '$none', ''], some, {})).toEqual(['c', 'a,b']);
  expect(expandAll(undefined, some, {})).toEqual([]);
});

test('a variable that stands for all lets all through', () => {
  for (const text of ['$every', '${every}', '${every:csv}', '[[every]]']) {
    expect(expandAll(['c', text], some, {})).toEqual([]);
  }
});
