import { useEffect, useState } from 'react';
import { validate } from './api/client';
import { problemOf, type Problem } from './api/problem';
import type { Validated } from './api/types';
import { RETRY } from './api/useLoaded';

const PAUSE = 300; // ms without typing

/** What the API said of which condition last; `problem` is that it could not be asked. */
export interface Checked extends Validated {
  condition: string;
  problem?: Problem;
}

const NOTHING: Checked = { condition: '', valid: false, diagnostics: [], spanNames: [], attributes: [] };

/** Has the API check a condition as it is typed; one that is away is asked again until it is back. */
export function useChecked(condition: string): Checked {
  const [checked, setChecked] = useState(NOTHING);

  useEffect(() => {
    if (condition.trim() === '') {
      return;
    }
    let wanted = true;
    const fail = (problem: Problem) => {
      if (wanted && !problem.cancelled) {
        setChecked({ ...NOTHING, condition, problem });
        timer = problem.isAway ? setTimeout(check, RETRY) : timer;
      }
    };
    const check = () =>
      validate(condition).then(
        (found) => wanted && setChecked({ ...found, condition }),
        (error) => fail(problemOf(error))
      );
    let timer = setTimeout(check, PAUSE);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [condition]);

  return condition.trim() === '' ? NOTHING : checked;
}
