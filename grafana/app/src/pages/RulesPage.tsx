import React, { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router-dom';
import { PluginPage } from '@grafana/runtime';
import {
  Alert,
  Button,
  Combobox,
  EmptyState,
  FilterInput,
  LinkButton,
  LoadingPlaceholder,
  MultiCombobox,
  Stack,
} from '@grafana/ui';
import { exportRules, listActivity, listRules } from '../api/client';
import { problemOf } from '../api/problem';
import { SEVERITIES, type Activity, type Rule } from '../api/types';
import { useLoaded } from '../api/useLoaded';
import { Failure } from '../components/Failure';
import { notify } from '../components/notify';
import { RulesTable } from '../components/RulesTable';
import { IMPORT, NEW_RULE } from '../links';
import { labelTags } from '../rule';
import { mayWrite } from '../settings';

const DAYS = 7; // that the figures are of

const STATES: Record<string, (rule: Rule, activity?: Activity) => boolean> = {
  enabled: (rule) => rule.enabled,
  disabled: (rule) => !rule.enabled,
  shadow: (rule) => rule.mode === 'shadow',
  'from a file': (rule) => rule.source === 'file',
  violated: (_, activity) => (activity?.violated ?? 0) > 0,
  'with errors': (_, activity) => (activity?.errors ?? 0) > 0,
  'never applied': (rule, activity) => rule.enabled && !activity?.applied,
};

const FILTERS = ['Severity', 'Label', 'State']; // as they are called to who hears the page

const load = async () => {
  const [{ rules, stale }, activity] = await Promise.all([listRules(), listActivity(DAYS)]);
  return { rules, stale, activity: new Map(activity.map((each) => [each.ruleId, each])) };
};

export function RulesPage() {
  const { value, problem, reload } = useLoaded(load);
  const actions = mayWrite() && (
    <>
      <LinkButton icon="upload" variant="secondary" href={IMPORT}>
        Import
      </LinkButton>
      <LinkButton icon="plus" href={NEW_RULE}>
        New rule
      </LinkButton>
    </>
  );
  return (
    <PluginPage
      subTitle="What must hold in every trace."
      actions={
        <Stack gap={1}>
          <Button icon="download-alt" variant="secondary" onClick={download} disabled={!value?.rules.length}>
            Export
          </Button>
          {actions}
        </Stack>
      }
    >
      {problem && <Failure title="The rules could not be loaded" problem={problem} retry={reload} />}
      {value?.stale && (
        <Alert severity="warning" title="The rules and figures may be old">
          {value.stale}
        </Alert>
      )}
      {!value && !problem && <LoadingPlaceholder text="Loading rules…" />}
      {value && value.rules.length === 0 && <NoRules />}
      {value && value.rules.length > 0 && <Filtered {...value} onChanged={reload} />}
    </PluginPage>
  );
}

interface Props {
  rules: Rule[];
  activity: Map<string, Activity>;
  onChanged: () => void;
}

function Filtered({ rules, activity, onChanged }: Props) {
  const [params, setParams] = useSearchParams();
  const text = params.get('q') ?? '';
  const state = params.get('state');
  const set = useCallback(
    (name: string, values: string[]) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          after.delete(name);
          values.filter(Boolean).forEach((value) => after.append(name, value));
          return after;
        },
        { replace: true }
      ),
    [setParams]
  );
  const labels = useMemo(() => [...new Set(rules.flatMap(labelTags))].sort(), [rules]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/);
    const severities = params.getAll('severity');
    const wanted = params.getAll('label');
    return rules.filter((rule) => {
      const searched = `${rule.id} ${rule.name} ${rule.description} ${rule.condition}`.toLowerCase();
      return (
        words.every((word) => searched.includes(word)) &&
        (severities.length === 0 || severities.includes(rule.severity)) &&
        (wanted.length === 0 || labelTags(rule).some((label) => wanted.includes(label))) &&
        (!state || !(state in STATES) || STATES[state](rule, activity.get(rule.id)))
      );
    });
  }, [rules, activity, text, state, params]);

  return (
    <Stack direction="column" gap={2}>
      <Stack gap={1} wrap="wrap">
        {FILTERS.map((name) => (
          <span key={name} id={`filter-${name}`} hidden>
            {name}
          </span>
        ))}
        <FilterInput
          width={40}
          placeholder="Search rules"
          aria-label="Search rules"
          value={text}
          onChange={(value) => set('q', [value])}
        />
        <MultiCombobox
          aria-labelledby="filter-Severity"
          placeholder="Severity"
          width="auto"
          minWidth={20}
          maxWidth={40}
          options={SEVERITIES.map((value) => ({ value }))}
          value={params.getAll('severity')}
          onChange={(chosen) =>
            set(
              'severity',
              chosen.map(({ value }) => value)
            )
          }
        />
        {labels.length > 0 && (
          <MultiCombobox
            aria-labelledby="filter-Label"
            placeholder="Label"
            width="auto"
            minWidth={20}
            maxWidth={40}
            options={labels.map((value) => ({ value }))}
            value={params.getAll('label')}
            onChange={(chosen) =>
              set(
                'label',
                chosen.map(({ value }) => value)
              )
            }
          />
        )}
        <Combobox
          aria-labelledby="filter-State"
          placeholder="State"
          width={20}
          isClearable
          options={Object.keys(STATES).map((value) => ({ value }))}
          value={state}
          onChange={(chosen) => set('state', [chosen?.value ?? ''])}
        />
      </Stack>
      {shown.length > 0 ? (
        <RulesTable rules={shown} activity={activity} onChanged={onChanged} />
      ) : (
        <EmptyState
          variant="not-found"
          message="No rule is like that"
          button={
            <Button variant="secondary" onClick={() => setParams({}, { replace: true })}>
              Clear filters
            </Button>
          }
        />
      )}
    </Stack>
  );
}

const NoRules = () => (
  <EmptyState
    variant="call-to-action"
    message="There are no rules yet"
    button={
      mayWrite() ? (
        <LinkButton icon="plus" href={NEW_RULE} size="lg">
          New rule
        </LinkButton>
      ) : undefined
    }
  >
    A rule says how a whole trace must look. BeTrace judges every trace by it and tells which spans broke it.
  </EmptyState>
);

async function download() {
  try {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([await exportRules()], { type: 'application/yaml' }));
    link.download = 'rules.yaml';
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    notify.error('The rules were not exported', problemOf(error).message);
  }
}
