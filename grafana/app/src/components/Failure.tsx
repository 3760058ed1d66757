import React from 'react';
import { Alert, Button, Stack, TextLink } from '@grafana/ui';
import type { Problem } from '../api/problem';
import { CONFIGURATION } from '../links';

/** What went wrong, and what can be done about it. */
export function Failure({ title, problem, retry }: { title: string; problem: Problem; retry?: () => void }) {
  return (
    <Alert severity={problem.isAway ? 'warning' : 'error'} title={title}>
      <Stack direction="column" gap={1} alignItems="start">
        <div>
          {problem.message}
          {problem.isAway && retry && ' It is asked again every few seconds.'}
        </div>
        {problem.status === 401 && <TextLink href={CONFIGURATION}>Configuration</TextLink>}
        {retry && (
          <Button variant="secondary" size="sm" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}
