import { contextOf, helpOn, written } from './words';

test.each([
  ['payment.charge_card', 'payment.charge_card'],
  ['checkout-service.call', 'checkout-service.call'],
  ['GET /cart/{id}', '"GET /cart/{id}"'],
  ['before', '"before"'],
  ['count', '"count"'],
  ['duration', '"duration"'],
  ['9lives', '"9lives"'],
  ['say "x"', '"say \\"x\\""'],
])('the name %s is written %s', (name, text) => {
  expect(written(name)).toBe(text);
});

test('words have help, names of JavaScript that are none do not', () => {
  expect(helpOn('before')).toContain('ends no later than');
  expect(helpOn('constructor')).toBeUndefined();
});

test.each([
  ['when { ', false],
  ['when { a.where(', true],
  ['when { a.where((x > 1) and ', true],
  ['when { a.where(x > 1) ', false],
  ['when { a.where(x == ")" and ', true],
  ['when { count(', false],
  ['// a.where(\nwhen { ', false],
])('after %s a predicate goes on: %s', (before, inPredicate) => {
  expect(contextOf(before).inPredicate).toBe(inPredicate);
});

test('aliases so far are known, once each, and not those of texts', () => {
  expect(contextOf('when { a as x and b as y and "c as z" } never { d as x').aliases).toEqual(['x', 'y']);
});
