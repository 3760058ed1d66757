import { useEffect, useState } from 'react';
import { validate } from './api/client';
import { problemOf, type Problem } from './api/problem';
import type { Validated } from './api/types';

const PAUSE = 300; // ms without typing

/** What the API said of which condition last; `problem` is that it could not be asked. */
export interface Checked extends Validated {
  condition: string;
  problem?: Problem;
}

const NOTHING: Checked = { condition: '', valid: false, diagnostics: [], spanNames: [], attributes: [] };

/** Has the API check a condition as it is typed. */
export function useChecked(condition: string): Checked {
  const [checked, setChecked] = useState(NOTHING);

  useEffect(() => {
    if (condition.trim() === '') {
      return;
    }
    let wanted = true;
    const timer = setTimeout(() => {
      validate(condition).then(
        (found) => wanted && setChecked({ ...found, condition }),
        (error) => {
          const problem = problemOf(error);
          return wanted && !problem.cancelled && setChecked({ ...NOTHING, condition, problem });
        }
      );
    }, PAUSE);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [condition]);

  return condition.trim() === '' ? NOTHING : checked;
}
