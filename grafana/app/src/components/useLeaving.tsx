import React, { useEffect, useState } from 'react';
import { locationService } from '@grafana/runtime';
import { ConfirmModal } from '@grafana/ui';

/** Asks before a page with unsaved changes is left for one that does not begin with `within`; gives the question. */
export function useLeaving(isDirty: boolean, within: string): React.ReactNode {
  const [target, setTarget] = useState<string>();

  useEffect(() => {
    if (!isDirty || target !== undefined) {
      return;
    }
    const unblock = locationService.getHistory().block(({ pathname, search }: Location) => {
      if (pathname === within || pathname.startsWith(`${within}/`)) {
        return;
      }
      setTarget(pathname + search);
      return false;
    });
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => {
      unblock();
      window.removeEventListener('beforeunload', warn);
    };
  }, [isDirty, within, target]);

  return (
    <ConfirmModal
      isOpen={target !== undefined}
      title="Leave without saving?"
      body="Your changes to this rule are lost."
      confirmText="Leave"
      dismissText="Stay"
      onConfirm={() => locationService.push(target!)}
      onDismiss={() => setTarget(undefined)}
    />
  );
}
