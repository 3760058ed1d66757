import { diff } from './diff';

const shown = (before: string, after: string) => diff(before, after).map(({ sign, text }) => sign + text);

test('lines that both have stay, others go and come', () => {
  expect(shown('a\nb\nc', 'a\nc\nd')).toEqual([' a', '-b', ' c', '+d']);
  expect(shown('a\nb', 'x\nb')).toEqual(['-a', '+x', ' b']);
});

test('nothing is no line', () => {
  expect(shown('', '')).toEqual([]);
  expect(shown('', 'a')).toEqual(['+a']);
  expect(shown('a', '')).toEqual(['-a']);
});
