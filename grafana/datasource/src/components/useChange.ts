import { useEffect, useRef } from 'react';

/**
 * A function that changes members of a value, and does nothing if they are so already. Comboboxes tell a choice again
 * with each rendering under some versions of the library below Grafana's, by the function that they had when it was made.
 */
export function useChange<T extends object>(value: T, onChange: (value: T) => void): (changed: Partial<T>) => void {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  }, [value]);
  return (changed) => {
    const next = { ...latest.current, ...changed };
    if (JSON.stringify(next) !== JSON.stringify(latest.current)) {
      latest.current = next;
      onChange(next);
    }
  };
}
