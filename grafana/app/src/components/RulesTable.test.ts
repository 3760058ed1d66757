import { lastDay } from './RulesTable';

test.each([
  ['', 'not lately'],
  ['2026-11-26', 'today'],
  ['2026-11-25', 'yesterday'],
  ['2026-11-20', '6 days ago'],
])('the day %j is told as %s', (day, told) => {
  expect(lastDay(day, Date.parse('2026-11-26T00:30:00Z'))).toBe(told);
});
