import React from 'react';
import { ComboboxOption, InlineField, MultiCombobox } from '@grafana/ui';
import { Choice } from '../types';

interface Props {
  label: string;
  tooltip: string;
  id: string;
  value: string[] | undefined;
  placeholder: string;
  load: (typed: string) => Promise<Choice[]>;
  onChange: (values: string[]) => void;
}

/** A filter of several values: completed with those that there are, but any can be typed, a variable too. */
export function Filter({ label, tooltip, id, value, placeholder, load, onChange }: Props) {
  const options = async (typed: string) => offered(await load(typed).catch(() => []), typed); // the query tells errors
  return (
    <InlineField label={label} tooltip={tooltip} labelWidth={12} htmlFor={id}>
      <MultiCombobox
        id={id}
        value={(value ?? []).map((each) => ({ value: each, label: each }))}
        options={options}
        placeholder={placeholder}
        createCustomValue
        width="auto"
        minWidth={26}
        maxWidth={60}
        onChange={(chosen) => onChange(chosen.map((each) => each.value))}
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
