import React from 'react';
import { Button, Icon, Stack, Text } from '@grafana/ui';
import type { Diagnostic } from '../api/types';
import type { Checked } from '../useChecked';
import type { Handle } from './ConditionEditor';

/** What the API says of the condition, each at its place in the editor. */
export function Diagnostics({ checked, handle }: { checked: Checked; handle?: Handle }) {
  const { condition, diagnostics, problem } = checked;
  return (
    <div role="status" aria-label="Diagnostics">
      {condition === '' && (
        <Text color="secondary">
          Such as <code>{'when { payment.charge as c } always { fraud.check before c }'}</code>
        </Text>
      )}
      {problem && <Text color="warning">Not checked: {problem.message}</Text>}
      {!problem && checked.valid && diagnostics.length === 0 && <Text color="success">No problems.</Text>}
      <Stack direction="column" gap={0.5}>
        {diagnostics.map((each, number) => (
          <Row key={number} of={each} handle={handle} />
        ))}
      </Stack>
    </div>
  );
}

function Row({ of, handle }: { of: Diagnostic; handle?: Handle }) {
  const isError = of.severity === 'error';
  const { suggestion } = of;
  return (
    <Stack gap={1} alignItems="center" wrap="wrap">
      <Text color={isError ? 'error' : 'warning'}>
        <Icon name={isError ? 'times-circle' : 'exclamation-triangle'} title={of.severity} />
      </Text>
      <Button fill="text" size="sm" variant="secondary" onClick={() => handle?.reveal(of)}>
        {`${of.line}:${of.column}`}
      </Button>
      <Text>{of.message}</Text>
      {suggestion && (
        <Button fill="outline" size="sm" variant="secondary" onClick={() => handle?.replace(of, suggestion)}>
          {`Use ${suggestion}`}
        </Button>
      )}
    </Stack>
  );
}
