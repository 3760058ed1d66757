import { useCallback, useEffect, useState } from 'react';
import { problemOf, type Problem } from './problem';

export const RETRY = 5000; // ms until an API that is away is asked again

export interface Loaded<T> {
  value?: T;
  problem?: Problem;
  reload: () => void;
}

/**
 * What `load` gives, which must be memoized: a new one is called anew. A value stays while it is loaded again, and beside
 * a problem; an API that is away is asked again until it is back.
 */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<{ of?: () => Promise<T>; value?: T; problem?: Problem }>({});
  const reload = useCallback(() => setTurn((before) => before + 1), []);

  useEffect(() => {
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    load().then(
      (value) => wanted && setState({ of: load, value }),
      (error) => {
        const problem = problemOf(error);
        if (wanted) {
          setState((before) => ({ of: load, value: before.of === load ? before.value : undefined, problem }));
          timer = problem.isAway ? setTimeout(reload, RETRY) : undefined;
        }
      }
    );
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [load, turn, reload]);

  return state.of === load ? { value: state.value, problem: state.problem, reload } : { reload };
}
