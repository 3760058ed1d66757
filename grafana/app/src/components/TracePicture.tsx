import React from 'react';
import { css, cx } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Badge, Text, useStyles2 } from '@grafana/ui';
import type { Explained, ExplainedSpan } from '../api/types';

const SHOWN = 60; // spans; of more, those that matter

/** The trace as a tree over time; the spans that bear the verdict out are marked with their roles. */
export function TracePicture({ explain }: { explain: Explained }) {
  const styles = useStyles2(getStyles);
  const roles = rolesOf(explain);
  const end = Math.max(...explain.spans.map(({ startMs, durationMs }) => startMs + durationMs), Number.MIN_VALUE);
  const shown = mattering(explain.spans, roles);
  const left = explain.spans.length - shown.length;
  return (
    <table className={styles.table} aria-label="Trace">
      <thead>
        <tr>
          <th scope="col">Span</th>
          <th scope="col" className={styles.time}>
            <span>0 ms</span>
            <span>{`${end.toFixed(1)} ms`}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map((span) => (
          <tr key={span.spanId} className={cx(roles.has(span.spanId) && styles.marked)}>
            <td style={{ paddingLeft: 8 + 12 * Math.min(span.depth, 12) }}>
              <Text>{span.name}</Text>{' '}
              <Text variant="bodySmall" color="secondary">
                {span.service}
              </Text>{' '}
              {roles.get(span.spanId)?.map((role) => (
                <Badge key={role} text={role} color="red" />
              ))}
            </td>
            <td>
              <div
                className={cx(styles.bar, roles.has(span.spanId) && styles.evidence)}
                title={`${span.durationMs.toFixed(1)} ms from ${span.startMs.toFixed(1)} ms on`}
                style={{ marginLeft: `${(100 * span.startMs) / end}%`, width: `${(100 * span.durationMs) / end}%` }}
              />
            </td>
          </tr>
        ))}
      </tbody>
      {left > 0 && <caption>{`and ${left} more spans`}</caption>}
    </table>
  );
}

/** The roles of evidence; without any, the spans that aliases stand for. */
function rolesOf({ spans, clauses }: Explained): Map<string, string[]> {
  const evidence = spans.filter((span) => span.roles.length > 0);
  return evidence.length > 0
    ? new Map(evidence.map(({ spanId, roles }) => [spanId, roles]))
    : new Map(clauses.flatMap(({ bound }) => Object.entries(bound).map(([alias, id]) => [id, [alias]])));
}

/** All spans, in the order of the tree; of many, the marked ones with what they are in, and the first others. */
function mattering(spans: ExplainedSpan[], roles: Map<string, string[]>): ExplainedSpan[] {
  if (spans.length <= SHOWN) {
    return spans;
  }
  const wanted = new Set<ExplainedSpan>();
  const path: ExplainedSpan[] = [];
  for (const span of spans) {
    path.length = span.depth;
    path.push(span);
    if (roles.has(span.spanId)) {
      path.forEach((each) => wanted.add(each));
    }
  }
  const room = Math.max(0, SHOWN - wanted.size);
  spans
    .filter((span) => !wanted.has(span))
    .slice(0, room)
    .forEach((span) => wanted.add(span));
  return spans.filter((span) => wanted.has(span)).slice(0, SHOWN);
}

const getStyles = (theme: GrafanaTheme2) => ({
  table: css({
    width: '100%',
    tableLayout: 'fixed',
    'th, td': { padding: theme.spacing(0.5, 1), borderBottom: `1px solid ${theme.colors.border.weak}` },
    td: { overflowWrap: 'anywhere' },
    caption: { captionSide: 'bottom', color: theme.colors.text.secondary },
  }),
  time: css({ display: 'flex', justifyContent: 'space-between', fontWeight: 'normal' }),
  marked: css({ background: theme.colors.error.transparent }),
  bar: css({
    height: 8,
    minWidth: 2,
    maxWidth: '100%',
    borderRadius: theme.shape.radius.default,
    background: theme.colors.primary.main,
  }),
  evidence: css({ background: theme.colors.error.main }),
});
