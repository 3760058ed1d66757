import React, { useCallback, useMemo } from 'react';
import { ComboboxOption, InlineField, MultiCombobox } from '@grafana/ui';
import type { DataSource } from '../datasource';
import { Choice, Kind } from '../types';

interface Props {
  datasource: DataSource;
  kind: Kind;
  label: string;
  tooltip: string;
  id: string;
  value: string[] | undefined;
  onChange: (values: string[]) => void;
}

/** A filter of several values: completed with those that there are, but any can be typed, a variable too. */
export function Filter({ datasource, kind, label, tooltip, id, value, onChange }: Props) {
  // The combobox begins anew with each other function or list that it is given.
  const options = useCallback(
    async (typed: string) => offered(await datasource.choices(kind, typed).catch(() => []), typed), // the query tells errors
    [datasource, kind]
  );
  const chosen = useMemo(() => (value ?? []).map((each) => ({ value: each, label: each })), [value]);
  return (
    <InlineField label={label} tooltip={tooltip} labelWidth={14} htmlFor={id}>
      <MultiCombobox
        id={id}
        value={chosen}
        options={options}
        placeholder="any"
        createCustomValue
        width="auto"
        minWidth={26}
        maxWidth={60}
        onChange={(found) => onChange(found.map((each) => each.value))}
      />
    </InlineField>
  );
}

/** What is offered of the choices, when so much is typed. */
export function offered(choices: Choice[], typed: string): Array<ComboboxOption<string>> {
  const wanted = typed.toLowerCase();
  return choices
    .filter(({ value, label }) => `${value} ${label}`.toLowerCase().includes(wanted))
    .map(({ value, label }) => (label === value ? { value, label } : { value, label, description: value }));
}
