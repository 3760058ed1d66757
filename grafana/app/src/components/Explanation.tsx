import React from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Alert, Icon, Stack, Text, useStyles2, type AlertVariant, type IconName } from '@grafana/ui';
import type { Came, Explained, Outcome, Tried } from '../api/types';
import { TracePicture } from './TracePicture';

const SHOWN = 3; // spans of a condition

const VERDICTS: Record<Outcome, { title: string; severity: AlertVariant }> = {
  violated: { title: 'Violated', severity: 'error' },
  satisfied: { title: 'Satisfied', severity: 'success' },
  not_applicable: { title: 'Not applicable', severity: 'info' },
  skipped: { title: 'Skipped', severity: 'info' },
  error: { title: 'Cut off', severity: 'warning' },
};

/** The verdict on a trace, why, and the trace. */
export function Explanation({ tried: { verdicts, explain } }: { tried: Tried }) {
  const { title, severity } = VERDICTS[explain.verdict];
  const violated = verdicts.filter(({ verdict }) => verdict === 'violated').length;
  return (
    <section aria-label="Verdict">
      <Alert severity={severity} title={title}>
        {explain.messages.map((message, at) => (
          <div key={at}>{message}</div>
        ))}
        {explain.reason}
        {!explain.complete && <div>The trace is incomplete.</div>}
        {verdicts.length > 1 && (
          <div>{`Of ${verdicts.length} traces ${violated} are violated; this is ${explain.traceId}.`}</div>
        )}
      </Alert>
      <Stack direction="column" gap={3}>
        <section aria-label="Why">
          <Stack direction="column" gap={2}>
            {explain.clauses.map((clause, at) => (
              <Clause key={at} clause={clause} explain={explain} />
            ))}
          </Stack>
        </section>
        <TracePicture explain={explain} />
      </Stack>
    </section>
  );
}

type ClauseOf = Explained['clauses'][number];

function Clause({ clause: { clause, bound, condition }, explain }: { clause: ClauseOf; explain: Explained }) {
  const names = Object.entries(bound).map(([alias, id]) => `${alias} = ${told(id, explain)}`);
  return (
    <div>
      <Text weight="medium">{clause}</Text>
      {names.length > 0 && <Text color="secondary">{` for ${names.join(', ')}`}</Text>}
      <Conditions parts={[condition]} explain={explain} />
    </div>
  );
}

const MARKS = {
  true: { icon: 'check-circle', title: 'holds', color: 'success' },
  false: { icon: 'times-circle', title: 'does not hold', color: 'error' },
  null: { icon: 'minus-circle', title: 'was not needed', color: 'secondary' },
} as const;

function Conditions({ parts, explain }: { parts: Came[]; explain: Explained }) {
  const styles = useStyles2(getStyles);
  return (
    <ul className={styles.list}>
      {parts.map((came, at) => (
        <li key={at}>
          <Condition came={came} explain={explain} />
          {came.parts.length > 0 && <Conditions parts={came.parts} explain={explain} />}
        </li>
      ))}
    </ul>
  );
}

function Condition({ came, explain }: { came: Came; explain: Explained }) {
  const styles = useStyles2(getStyles);
  const { icon, title, color } = MARKS[`${came.holds}`];
  const found = came.spans.slice(0, SHOWN).map((id) => told(id, explain));
  const more = came.spans.length > SHOWN ? ` and ${came.spans.length - SHOWN} more` : '';
  return (
    <div className={styles.condition}>
      <Text color={color}>
        <Icon name={icon satisfies IconName} title={title} />
      </Text>
      <div>
        <code className={styles.code}>{came.text}</code>
        {came.parts.length === 0 && (came.why || found.length > 0) && (
          <Text element="p" variant="bodySmall" color="secondary">
            {[came.why, found.length > 0 && `found ${found.join(', ')}${more}`].filter(Boolean).join('; ')}
          </Text>
        )}
      </div>
    </div>
  );
}

function told(id: string, { spans }: Explained): string {
  const span = spans.find(({ spanId }) => spanId === id);
  return span ? `${span.name} at ${span.startMs.toFixed(1)} ms` : id;
}

const getStyles = (theme: GrafanaTheme2) => ({
  list: css({ listStyle: 'none', margin: theme.spacing(0.5, 0, 0, 1), paddingLeft: theme.spacing(1.5) }),
  condition: css({ display: 'flex', gap: theme.spacing(1), alignItems: 'flex-start', padding: theme.spacing(0.25, 0) }),
  code: css({ background: 'none', border: 'none', padding: 0, overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }),
});
