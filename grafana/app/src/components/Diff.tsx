import React from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Stack, Text, useStyles2 } from '@grafana/ui';
import type { Draft } from '../api/types';
import { diff, type Line } from '../diff';
import { FIELDS, type Field } from '../rule';

const NAMES = { ' ': undefined, '-': 'removed', '+': 'added' };

/** Two rules, field by field, where they differ; `fields` narrows it. */
export function Diff({ before, after, fields = FIELDS }: { before?: Draft; after?: Draft; fields?: Field[] }) {
  const texts = fields.map(({ label, text }) => ({
    label,
    one: before ? text(before) : '',
    two: after ? text(after) : '',
  }));
  const changed = texts.filter(({ one, two }) => one !== two);
  if (changed.length === 0) {
    return <Text color="secondary">No difference.</Text>;
  }
  return (
    <Stack direction="column" gap={2}>
      {changed.map(({ label, one, two }) => (
        <section key={label} aria-label={label}>
          <Text variant="bodySmall" color="secondary">
            {label}
          </Text>
          <Lines lines={diff(one, two)} />
        </section>
      ))}
    </Stack>
  );
}

function Lines({ lines }: { lines: Line[] }) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.box}>
      {lines.map(({ sign, text }, number) => (
        <div key={number} className={styles[sign]}>
          <span className={styles.sign} aria-label={NAMES[sign]} role={sign === ' ' ? undefined : 'img'}>
            {sign}
          </span>
          {sign === '-' ? <del>{text}</del> : sign === '+' ? <ins>{text}</ins> : text}
        </div>
      ))}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    fontFamily: theme.typography.fontFamilyMonospace,
    fontSize: theme.typography.bodySmall.fontSize,
    whiteSpace: 'pre-wrap',
    overflowWrap: 'anywhere',
    'del, ins': { textDecoration: 'none' },
    '> div': { padding: theme.spacing(0.25, 1) },
  }),
  sign: css({ display: 'inline-block', width: theme.spacing(2), userSelect: 'none' }),
  ' ': css({}),
  '-': css({ background: theme.colors.error.transparent }),
  '+': css({ background: theme.colors.success.transparent }),
});
