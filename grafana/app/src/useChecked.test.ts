import { act, renderHook } from '@testing-library/react';
import { validate } from './api/client';
import { Problem } from './api/problem';
import type { Validated } from './api/types';
import { useChecked } from './useChecked';

jest.mock('./api/client');

const asked = jest.mocked(validate);
const found = (valid: boolean): Validated => ({ valid, diagnostics: [], spanNames: [], attributes: [] });
const later = (ms: number) => act(() => jest.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  jest.useFakeTimers();
  asked.mockReset();
});
afterEach(() => jest.useRealTimers());

test('what is typed is checked after a pause, and an answer to an older text is not told', async () => {
  let answer: (of: Validated) => void;
  asked.mockReturnValueOnce(new Promise((resolve) => (answer = resolve))).mockResolvedValue(found(true));
  const { result, rerender } = renderHook(useChecked, { initialProps: 'a' });
  await later(1000);
  rerender('ab');
  rerender('abc');
  await later(1000);
  await act(async () => answer(found(false)));
  expect(asked.mock.calls).toEqual([['a'], ['abc']]);
  expect(result.current).toMatchObject({ condition: 'abc', valid: true });
});

test('an API that is away is asked again until it is back', async () => {
  asked.mockRejectedValueOnce(new Problem(502, 'away')).mockResolvedValue(found(true));
  const { result } = renderHook(useChecked, { initialProps: 'a' });
  await later(1000);
  expect(result.current.problem?.message).toBe('away');
  await later(5000);
  expect(result.current).toEqual({ ...found(true), condition: 'a' });
});

test('nothing is asked of nothing, and a refusal is told once', async () => {
  asked.mockRejectedValue(new Problem(401, 'no token'));
  const { result, rerender } = renderHook(useChecked, { initialProps: ' ' });
  await later(10_000);
  expect(asked).not.toHaveBeenCalled();
  rerender('a');
  await later(60_000);
  expect(asked).toHaveBeenCalledTimes(1);
  expect(result.current.problem?.message).toBe('no token');
});
