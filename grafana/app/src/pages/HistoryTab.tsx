import React, { useCallback, useMemo, useState } from 'react';
import { useSearchParams } from 'react-router-dom';
import { dateTimeFormat, dateTimeFormatTimeAgo } from '@grafana/data';
import {
  Alert,
  Badge,
  Button,
  ConfirmModal,
  InteractiveTable,
  LoadingPlaceholder,
  RadioButtonGroup,
  Stack,
  Text,
  Tooltip,
  type CellProps,
  type Column,
} from '@grafana/ui';
import { listVersions, restoreVersion } from '../api/client';
import { problemOf, type Problem } from '../api/problem';
import type { Rule, Version } from '../api/types';
import { useLoaded } from '../api/useLoaded';
import { Diff } from '../components/Diff';
import { Failure } from '../components/Failure';
import { notify } from '../components/notify';
import { changedFields } from '../rule';
import { mayWrite } from '../settings';

interface Props {
  id: string;
  current?: Rule; // none, if the rule is deleted
  isDirty?: boolean; // whether restoring loses changes that are not saved
  onRestored: (rule: Rule) => void;
}

export function HistoryTab({ id, current, isDirty, onRestored }: Props) {
  const load = useCallback(() => listVersions(id), [id]);
  const { value: versions, problem, reload } = useLoaded(load);
  const [params, setParams] = useSearchParams();
  const wanted = params.get('version');
  const found = versions?.find(({ version }) => `${version}` === wanted);
  const chosen = found ?? versions?.[0];

  if (problem?.status === 404) {
    return <Text color="secondary">Nor has there been one.</Text>;
  }
  if (problem && !versions) {
    return <Failure title="The history could not be loaded" problem={problem} retry={reload} />;
  }
  if (!versions || !chosen) {
    return <LoadingPlaceholder text="Loading the history…" />;
  }
  return (
    <Stack direction="column" gap={3}>
      {wanted && !found && <Alert severity="warning" title={`There is no version ${wanted}`} />}
      <Versions
        versions={versions}
        chosen={chosen.version}
        onChoose={(version) => setParams({ version: `${version}` }, { replace: true })}
      />
      <Comparison
        key={chosen.version}
        id={id}
        chosen={chosen}
        versions={versions}
        current={current}
        isDirty={isDirty}
        onRestored={onRestored}
        onMoved={reload}
      />
    </Stack>
  );
}

interface Row {
  version: Version;
  did: string;
}

function Versions({
  versions,
  chosen,
  onChoose,
}: {
  versions: Version[];
  chosen: number;
  onChoose: (version: number) => void;
}) {
  const rows = useMemo(
    () => versions.map((version, at): Row => ({ version, did: changeOf(version, versions[at + 1]) })),
    [versions]
  );
  const columns = useMemo(
    (): Array<Column<Row>> => [
      {
        id: 'version',
        header: 'Version',
        disableGrow: true,
        cell: ({ row: { original } }: CellProps<Row>) => (
          <Stack gap={1} alignItems="center">
            <Button
              size="sm"
              variant={original.version.version === chosen ? 'primary' : 'secondary'}
              fill={original.version.version === chosen ? 'solid' : 'outline'}
              aria-pressed={original.version.version === chosen}
              onClick={() => onChoose(original.version.version)}
            >
              {`${original.version.version}`}
            </Button>
            {original.version === versions[0] && <Badge text="latest" color="blue" />}
          </Stack>
        ),
      },
      {
        id: 'at',
        header: 'When',
        cell: ({ row: { original } }: CellProps<Row>) =>
          original.version.at ? (
            <Tooltip content={dateTimeFormat(original.version.at)}>
              <span>{dateTimeFormatTimeAgo(original.version.at)}</span>
            </Tooltip>
          ) : null,
      },
      { id: 'by', header: 'Who', cell: ({ row: { original } }: CellProps<Row>) => original.version.by },
      { id: 'did', header: 'What' },
    ],
    [chosen, versions, onChoose]
  );
  return (
    <InteractiveTable columns={columns} data={rows} getRowId={(row: Row) => `${row.version.version}`} pageSize={10} />
  );
}

type Against = 'before' | 'current';

interface ComparisonProps extends Props {
  chosen: Version;
  versions: Version[];
  onMoved: () => void; // there are newer versions
}

function Comparison({ id, chosen, versions, current, isDirty, onRestored, onMoved }: ComparisonProps) {
  const [against, setAgainst] = useState<Against>('before');
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const before = versions.find(({ version }) => version < chosen.version);
  const isLatest = chosen === versions[0];
  const mayRestore = mayWrite() && current?.source !== 'file' && !isLatest && chosen.rule;

  const restore = async () => {
    setAsking(false);
    try {
      const rule = await restoreVersion(id, chosen.version, versions[0].version);
      notify.success(`Version ${chosen.version} is restored as version ${rule.version}`);
      onRestored(rule);
    } catch (error) {
      const found = problemOf(error);
      setProblem(found);
      found.status === 412 && onMoved();
    }
  };
  return (
    <Stack direction="column" gap={2}>
      {problem && <Failure title="The version was not restored" problem={problem} />}
      <Stack justifyContent="space-between" alignItems="center" wrap="wrap">
        <Text element="h4">{`Version ${chosen.version}`}</Text>
        <Stack gap={1}>
          {current && !isLatest && (
            <RadioButtonGroup
              size="sm"
              aria-label="Compare"
              options={[
                { label: 'What it changed', value: 'before' as Against },
                { label: 'From it to the latest', value: 'current' as Against },
              ]}
              value={against}
              onChange={setAgainst}
            />
          )}
          {mayRestore && (
            <Button size="sm" icon="history" variant="secondary" onClick={() => setAsking(true)}>
              Restore
            </Button>
          )}
        </Stack>
      </Stack>
      {against === 'before' || !current || isLatest ? (
        <Diff before={before?.rule ?? undefined} after={chosen.rule ?? undefined} />
      ) : (
        <Diff before={chosen.rule ?? undefined} after={current} />
      )}
      <ConfirmModal
        isOpen={asking}
        title={`Restore version ${chosen.version}?`}
        body={`It becomes the newest version; those between stay in the history.${isDirty ? ' Your changes, which are not saved, are lost.' : ''}`}
        confirmText="Restore"
        confirmButtonVariant="primary"
        onConfirm={restore}
        onDismiss={() => setAsking(false)}
      />
    </Stack>
  );
}

/** In a few words. */
function changeOf(version: Version, before?: Version): string {
  if (!version.rule) {
    return 'deleted';
  }
  if (!before?.rule) {
    return 'created';
  }
  const labels = changedFields(before.rule, version.rule).map(({ label }) => label.toLowerCase());
  return labels.length > 0 ? `changed ${labels.join(', ')}` : 'changed nothing';
}
