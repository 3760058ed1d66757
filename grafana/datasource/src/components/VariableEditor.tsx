import React, { useCallback } from 'react';
import { QueryEditorProps } from '@grafana/data';
import { Combobox, InlineField, InlineFieldRow } from '@grafana/ui';
import type { DataSource } from '../datasource';
import { BeTraceOptions, BeTraceQuery, Kind, VariableQuery } from '../types';
import { useChange } from './useChange';

type Props = QueryEditorProps<DataSource, BeTraceQuery, BeTraceOptions, VariableQuery>;

const KINDS: Array<{ label: string; value: Kind; description?: string }> = [
  { label: 'Rules', value: 'rule' },
  { label: 'Severities', value: 'severity' },
  { label: 'Services', value: 'service', description: 'of traces with violations' },
  { label: 'Values of a label', value: 'label' },
  { label: 'Compliance frameworks', value: 'framework' },
  { label: 'Compliance controls', value: 'control' },
  { label: 'Names of spans', value: 'spanName', description: 'that came lately' },
  { label: 'Keys of attributes', value: 'attribute', description: 'that came lately' },
];

export function VariableEditor({ datasource, query, onChange }: Props) {
  const change = useChange(query, onChange);
  const keys = useCallback(
    async () =>
      datasource.labelKeys().then(
        (found) => found.map((value) => ({ value, label: value })),
        () => []
      ),
    [datasource]
  );
  return (
    <InlineFieldRow>
      <InlineField label="Values" labelWidth={16} htmlFor="betrace-variable-of">
        <Combobox
          id="betrace-variable-of"
          options={KINDS}
          value={query.of ?? 'rule'}
          width={32}
          onChange={({ value }) => change({ refId: 'variable', of: value })}
        />
      </InlineField>
      {query.of === 'label' && (
        <InlineField label="Label" labelWidth={16} htmlFor="betrace-variable-key">
          <Combobox
            id="betrace-variable-key"
            options={keys}
            value={query.key ?? null}
            placeholder="team"
            createCustomValue
            isClearable
            width={32}
            onChange={(chosen) => change({ refId: 'variable', key: chosen?.value ?? '' })}
          />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
