import React from 'react';
import { CoreApp, QueryEditorProps } from '@grafana/data';
import {
  Alert,
  Combobox,
  type ComboboxOption,
  InlineField,
  InlineFieldRow,
  Input,
  RadioButtonGroup,
  Stack,
} from '@grafana/ui';
import type { DataSource } from '../datasource';
import { BeTraceOptions, BeTraceQuery, Group, Kind, QueryType } from '../types';
import { Filter } from './Filter';
import { useChange } from './useChange';

type Props = QueryEditorProps<DataSource, BeTraceQuery, BeTraceOptions>;

const TYPES: Array<{ label: string; value: QueryType; description: string }> = [
  { label: 'Violations', value: 'violations', description: 'A table, newest first' },
  { label: 'Time series', value: 'timeseries', description: 'Numbers in intervals' },
  { label: 'Count', value: 'count', description: 'Numbers of the whole time' },
];
const GROUPS: Array<{ label: string; value: Group }> = [
  { label: 'Severity', value: 'severity' },
  { label: 'Rule', value: 'rule' },
  { label: 'Service', value: 'service' },
];
// Of fixed identity, as a combobox begins anew with each other list that it is given; the first is what is not said.
const STATUSES = ['open', 'retracted', 'any'].map((value) => ({ value, label: value }));
const MODES = ['enforce', 'shadow', 'any'].map((value) => ({ value, label: value }));
type Filtered = 'severities' | 'rules' | 'services' | 'labels' | 'frameworks' | 'controls';

const MOST = 10_000;

export function QueryEditor({ datasource, query, onChange, onRunQuery, app }: Props) {
  const ofAlert = app === CoreApp.UnifiedAlerting || app === CoreApp.CloudAlerting;
  const type = query.queryType ?? 'violations';
  const asNumbers = type === 'timeseries' || type === 'count';
  const id = (name: string) => `betrace-${query.refId}-${name}`;
  const change = useChange(query, (changed) => {
    onChange(changed);
    onRunQuery();
  });
  const filter = (label: string, name: Filtered, kind: Kind, tooltip: string) => (
    <Filter
      datasource={datasource}
      kind={kind}
      label={label}
      tooltip={tooltip}
      id={id(name)}
      value={query[name]}
      onChange={(values) => change({ [name]: values })}
    />
  );
  const choice = (label: string, name: 'status' | 'mode', options: Array<ComboboxOption<string>>, tooltip: string) => (
    <InlineField label={label} labelWidth={14} tooltip={tooltip} htmlFor={id(name)}>
      <Combobox
        id={id(name)}
        options={options}
        value={query[name] ?? options[0].value}
        width={16}
        onChange={({ value }) => change({ [name]: value })}
      />
    </InlineField>
  );
  const text = (label: string, name: 'text' | 'traceId', tooltip: string) => (
    <InlineField label={label} tooltip={tooltip} labelWidth={14} htmlFor={id(name)}>
      <Input
        id={id(name)}
        key={query[name]}
        defaultValue={query[name]}
        width={32}
        placeholder="any"
        onBlur={(event) =>
          (query[name] ?? '') !== event.currentTarget.value && change({ [name]: event.currentTarget.value })
        }
        onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
      />
    </InlineField>
  );
  return (
    <Stack direction="column" gap={0}>
      {ofAlert && type === 'violations' && (
        <Alert severity="warning" title="An alert needs numbers: choose Time series or Count" />
      )}
      <InlineFieldRow>
        {type !== 'annotations' && (
          <InlineField label="Show" labelWidth={14}>
            <RadioButtonGroup
              options={ofAlert ? TYPES.slice(1) : TYPES}
              value={type}
              onChange={(queryType) => change({ queryType })}
            />
          </InlineField>
        )}
        {asNumbers && (
          <InlineField label="Group by" labelWidth={14} tooltip="A series, or a row, for each" htmlFor={id('group')}>
            <Combobox
              id={id('group')}
              options={GROUPS}
              value={query.groupBy?.[0] ?? null}
              placeholder="all together"
              isClearable
              width={20}
              onChange={(chosen) => change({ groupBy: chosen ? [chosen.value] : [] })}
            />
          </InlineField>
        )}
        {!asNumbers && (
          <InlineField label="Limit" labelWidth={14} tooltip="The newest so many are shown" htmlFor={id('limit')}>
            <Input
              id={id('limit')}
              key={query.limit}
              type="number"
              min={1}
              max={MOST}
              width={12}
              defaultValue={query.limit ?? 100}
              onBlur={(event) => {
                const limit = Math.min(MOST, Math.max(1, Math.round(event.currentTarget.valueAsNumber) || 100));
                if (limit !== (query.limit ?? 100)) {
                  change({ limit });
                }
              }}
              onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
            />
          </InlineField>
        )}
        {choice('Status', 'status', STATUSES, 'Retracted: late spans showed that the rule held after all')}
        {choice('Mode', 'mode', MODES, 'Shadow: by rules that are only tried out')}
      </InlineFieldRow>
      <InlineFieldRow>
        {filter('Severity', 'severities', 'severity', 'Any of these')}
        {filter('Rule', 'rules', 'rule', 'Any of these')}
        {filter('Service', 'services', 'service', 'Any of these took part in the trace')}
      </InlineFieldRow>
      <InlineFieldRow>
        {filter('Label', 'labels', 'label', 'key:value; any value of a key, and all of the keys')}
        {filter('Framework', 'frameworks', 'framework', 'Of compliance: any of these')}
        {filter('Control', 'controls', 'control', 'Of a framework: any of these')}
      </InlineFieldRow>
      <InlineFieldRow>
        {text('Message', 'text', 'Words of the message, all of them')}
        {text('Trace', 'traceId', 'The id of a trace')}
      </InlineFieldRow>
    </Stack>
  );
}
