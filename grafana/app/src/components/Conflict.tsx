import React, { useState } from 'react';
import { Box, Button, Field as Labelled, Modal, RadioButtonGroup, Stack, Text } from '@grafana/ui';
import type { Draft, Rule } from '../api/types';
import { changedFields, merge, take } from '../rule';
import { Diff } from './Diff';

interface Props {
  base: Rule;
  theirs: Rule;
  mine: Draft;
  onMerged: (draft: Draft) => void;
  onDismiss: () => void;
}

/** Somebody else saved first: what they changed, and for what both changed, whose it shall be. */
export function Conflict({ base, theirs, mine, onMerged, onDismiss }: Props) {
  const { draft, conflicts } = merge(base, theirs, mine);
  const [taken, setTaken] = useState<string[]>([]);
  const who = theirs.updatedBy ?? 'somebody else';
  const whose = (key: string, side: 'mine' | 'theirs') =>
    setTaken((before) => [...before.filter((each) => each !== key), ...(side === 'theirs' ? [key] : [])]);
  const merged = take(
    draft,
    theirs,
    conflicts.filter(({ key }) => taken.includes(key))
  );
  const others = changedFields(base, theirs).filter((field) => !conflicts.includes(field));

  return (
    <Modal isOpen title={`${who} has saved version ${theirs.version} meanwhile`} onDismiss={onDismiss}>
      <Stack direction="column" gap={2}>
        {others.length > 0 && (
          <section aria-label="Their changes">
            <Text element="h4">Their changes, which are taken over</Text>
            <Diff before={base} after={theirs} fields={others} />
          </section>
        )}
        {conflicts.map((field) => (
          <section key={field.key} aria-label={`${field.label}: both changed it`}>
            <Text element="h4">{field.label}: you both changed it</Text>
            <Diff before={theirs} after={mine} fields={[field]} />
            <Box marginTop={1} />
            <Labelled label={`Take the ${field.label.toLowerCase()} of`} noMargin>
              <RadioButtonGroup
                options={[
                  { label: 'Mine (+)', value: 'mine' },
                  { label: 'Theirs (-)', value: 'theirs' },
                ]}
                value={taken.includes(field.key) ? 'theirs' : 'mine'}
                onChange={(side) => whose(field.key, side as 'mine' | 'theirs')}
              />
            </Labelled>
          </section>
        ))}
        <Text color="secondary">Nothing is saved yet: look at the merged rule, then save it.</Text>
      </Stack>
      <Modal.ButtonRow>
        <Button variant="secondary" fill="outline" onClick={onDismiss}>
          Cancel
        </Button>
        <Button variant="secondary" onClick={() => onMerged(theirs)}>
          Drop my changes
        </Button>
        <Button onClick={() => onMerged(merged)}>Merge</Button>
      </Modal.ButtonRow>
    </Modal>
  );
}
