import React, { useMemo, useState } from 'react';
import {
  Badge,
  ConfirmModal,
  IconButton,
  InteractiveTable,
  Stack,
  Switch,
  TagList,
  Text,
  TextLink,
  type CellProps,
  type Column,
} from '@grafana/ui';
import { deleteRule, replaceRule } from '../api/client';
import { problemOf } from '../api/problem';
import { SEVERITIES, type Activity, type Rule } from '../api/types';
import { ruleLink } from '../links';
import { labelTags } from '../rule';
import { isWritable } from '../settings';
import { notify } from './notify';
import { SeverityBadge } from './SeverityBadge';

interface Row {
  rule: Rule;
  name: string;
  evaluated: number;
  applied: number;
  violated: number;
  errors: number;
  day: string;
}

type Cell = CellProps<Row>;

interface Props {
  rules: Rule[];
  activity: Map<string, Activity>;
  onChanged: () => void;
}

export function RulesTable({ rules, activity, onChanged }: Props) {
  const [doomed, setDoomed] = useState<Rule>();
  const data = useMemo(
    () => rules.map((rule): Row => ({ ...NO_ACTIVITY, ...activity.get(rule.id), rule, name: rule.name })),
    [rules, activity]
  );
  const columns = useMemo(() => columnsOf(onChanged, setDoomed), [onChanged]);
  const change = async (done: string, work: Promise<unknown>) => {
    setDoomed(undefined);
    await told(done, work);
    onChanged();
  };
  return (
    <>
      <InteractiveTable
        columns={columns}
        data={data}
        getRowId={(row: Row) => row.rule.id}
        pageSize={50}
        headerTooltips={TOOLTIPS}
      />
      {doomed && (
        <ConfirmModal
          isOpen
          title={`Delete ${doomed.name}?`}
          body="Traces are no longer judged by it. Its history stays, and any version of it can be restored."
          confirmText="Delete"
          onConfirm={() => change(`${doomed.name} is deleted`, deleteRule(doomed))}
          onDismiss={() => setDoomed(undefined)}
        />
      )}
    </>
  );
}

const NO_ACTIVITY = { evaluated: 0, applied: 0, violated: 0, errors: 0, day: '' };

const TOOLTIPS = {
  evaluated: { content: 'Traces of the last seven days that the rule has judged' },
  applied: { content: 'Those to which it applied: its when held' },
  violated: { content: 'Those that broke it' },
  errors: { content: 'Those on which it was cut off' },
};

async function told(done: string, work: Promise<unknown>) {
  try {
    await work;
    notify.success(done);
  } catch (error) {
    notify.error('Nothing was changed', problemOf(error).message);
  }
}

const number = (id: 'evaluated' | 'applied' | 'violated' | 'errors', header: string): Column<Row> => ({
  id,
  header,
  sortType: 'number',
  sortDescFirst: true,
  disableGrow: true,
  cell: ({ row: { original } }: Cell) => {
    const color = original[id] > 0 && (id === 'violated' || id === 'errors') ? 'error' : undefined;
    return <Text color={color}>{original[id].toLocaleString('en')}</Text>;
  },
});

const cell =
  (of: (rule: Rule) => React.ReactNode) =>
  ({ row }: Cell) =>
    of(row.original.rule);

function columnsOf(onChanged: () => void, onDelete: (rule: Rule) => void): Array<Column<Row>> {
  const toggle = async (rule: Rule) => {
    const { name, enabled, version } = rule;
    await told(`${name} is ${enabled ? 'disabled' : 'enabled'}`, replaceRule({ ...rule, enabled: !enabled }, version));
    onChanged();
  };
  return [
    {
      id: 'name',
      header: 'Rule',
      sortType: 'string',
      cell: cell((rule) => (
        <Stack direction="column" gap={0} minWidth={24}>
          <TextLink href={ruleLink(rule.id)} inline={false}>
            {rule.name}
          </TextLink>
          {rule.name !== rule.id && (
            <Text variant="bodySmall" color="secondary">
              {rule.id}
            </Text>
          )}
        </Stack>
      )),
    },
    {
      id: 'severity',
      header: 'Severity',
      disableGrow: true,
      sortType: (a, b) => SEVERITIES.indexOf(b.original.rule.severity) - SEVERITIES.indexOf(a.original.rule.severity),
      cell: cell((rule) => <SeverityBadge severity={rule.severity} />),
    },
    {
      id: 'enabled',
      header: 'Enabled',
      disableGrow: true,
      cell: cell((rule) => (
        <Stack gap={1} alignItems="center">
          <Switch
            aria-label={`Enable ${rule.name}`}
            value={rule.enabled}
            disabled={!isWritable(rule)}
            onChange={() => toggle(rule)}
          />
          {rule.mode === 'shadow' && <Badge text="shadow" color="blue" tooltip="Judged and counted, not told" />}
          {rule.source === 'file' && <Badge text="file" color="blue" icon="lock" tooltip="Changed in its rule file" />}
        </Stack>
      )),
    },
    number('evaluated', 'Evaluated'),
    number('applied', 'Applied'),
    number('violated', 'Violated'),
    number('errors', 'Errors'),
    {
      id: 'day',
      header: 'Last evaluated',
      sortType: 'string',
      sortDescFirst: true,
      disableGrow: true,
      cell: ({ row: { original } }: Cell) => <Text color="secondary">{lastDay(original.day, Date.now())}</Text>,
    },
    {
      id: 'labels',
      header: 'Labels',
      cell: cell((rule) => <TagList tags={labelTags(rule)} className="" />),
    },
    {
      id: 'delete',
      disableGrow: true,
      cell: cell((rule) =>
        isWritable(rule) ? (
          <IconButton name="trash-alt" tooltip={`Delete ${rule.name}`} onClick={() => onDelete(rule)} />
        ) : null
      ),
    },
  ];
}

const DAY = 86_400_000; // ms
const DAYS = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** Such as `yesterday`; days are UTC's. */
export function lastDay(day: string, now: number): string {
  const past = Math.floor(now / DAY) - Date.parse(day) / DAY;
  return day === '' ? 'not lately' : DAYS.format(-past, 'day');
}
