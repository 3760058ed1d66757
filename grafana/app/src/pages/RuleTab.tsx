import React, { useState } from 'react';
import { Box, Button, Combobox, Field, FieldSet, Input, Stack, Switch, TagsInput, TextArea } from '@grafana/ui';
import { SEVERITIES, type Draft } from '../api/types';
import { ConditionEditor, type Handle } from '../components/ConditionEditor';
import { Diagnostics } from '../components/Diagnostics';
import { controlTags, idOf, labelTags, split } from '../rule';
import type { Checked } from '../useChecked';

const WIDTH = 60;

interface Props {
  draft: Draft;
  isNew: boolean;
  checked: Checked;
  readOnly: boolean;
  onChange: (change: (before: Draft) => Draft) => void; // the first is kept
}

export function RuleTab({ draft, isNew, checked, readOnly, onChange }: Props) {
  const [handle, setHandle] = useState<Handle>();
  const set = (changed: Partial<Draft>) => onChange((before) => ({ ...before, ...changed }));
  const named = (name: string) => set(isNew && draft.id === idOf(draft.name) ? { name, id: idOf(name) } : { name });

  return (
    <Stack direction="column" gap={1}>
      <Stack gap={2} wrap="wrap">
        <Field label="Name" noMargin>
          <Input
            id="name"
            width={WIDTH}
            value={draft.name}
            readOnly={readOnly}
            onChange={(e) => named(e.currentTarget.value)}
          />
        </Field>
        {isNew && (
          <Field label="Id, which never changes" noMargin>
            <Input id="id" width={40} value={draft.id} onChange={(e) => set({ id: e.currentTarget.value })} />
          </Field>
        )}
        <Field label="Severity" noMargin>
          <Combobox
            id="severity"
            width={20}
            disabled={readOnly}
            options={SEVERITIES.map((value) => ({ value }))}
            value={draft.severity}
            onChange={({ value }) => set({ severity: value })}
          />
        </Field>
      </Stack>

      <Box marginTop={2}>
        <Stack justifyContent="space-between" alignItems="end">
          <h3>Condition</h3>
          {!readOnly && (
            <Button
              size="sm"
              variant="secondary"
              icon="brackets-curly"
              tooltip="Shift+Alt+F"
              disabled={!checked.valid}
              onClick={() => handle?.format()}
            >
              Format
            </Button>
          )}
        </Stack>
      </Box>
      <ConditionEditor
        value={draft.condition}
        checked={checked}
        readOnly={readOnly}
        onMount={setHandle}
        onChange={(condition) => set({ condition })}
      />
      <Diagnostics checked={checked} handle={handle} />

      <Box marginTop={2}>
        <FieldSet label="What a violation says">
          <Field label="Message" description="{alias.attribute} stands for its value">
            <Input
              id="message"
              value={draft.message ?? ''}
              readOnly={readOnly}
              onChange={(e) => set({ message: e.currentTarget.value || null })}
            />
          </Field>
          <Field label="Runbook" description="The address of a page that says what to do">
            <Input
              id="runbook"
              type="url"
              value={draft.runbookUrl ?? ''}
              readOnly={readOnly}
              onChange={(e) => set({ runbookUrl: e.currentTarget.value || null })}
            />
          </Field>
          <Field label="Description">
            <TextArea
              id="description"
              rows={3}
              value={draft.description}
              readOnly={readOnly}
              onChange={(e) => set({ description: e.currentTarget.value })}
            />
          </Field>
          <Tags
            id="labels"
            label="Labels"
            form="key:value"
            example="team:payments"
            tags={labelTags(draft)}
            disabled={readOnly}
            onChange={(pairs) => set({ labels: Object.fromEntries(pairs) })}
          />
          <Tags
            id="compliance"
            label="Compliance"
            form="framework:control"
            example="soc2:CC6.1"
            tags={controlTags(draft)}
            disabled={readOnly}
            onChange={(pairs) => set({ compliance: pairs.map(([framework, control]) => ({ framework, control })) })}
          />
        </FieldSet>
        <FieldSet label="When it is judged">
          <Field label="Enabled">
            <Switch
              id="enabled"
              value={draft.enabled}
              disabled={readOnly}
              onChange={(e) => set({ enabled: e.currentTarget.checked })}
            />
          </Field>
          <Field label="Shadow" description="Judge and count, but show violations only to those who ask for them">
            <Switch
              id="shadow"
              value={draft.mode === 'shadow'}
              disabled={readOnly}
              onChange={(e) => set({ mode: e.currentTarget.checked ? 'shadow' : 'enforce' })}
            />
          </Field>
          <Field label="Skip incomplete traces" description="Those with a missing parent, several roots or cut off">
            <Switch
              id="incomplete"
              value={draft.onIncomplete === 'skip'}
              disabled={readOnly}
              onChange={(e) => set({ onIncomplete: e.currentTarget.checked ? 'skip' : 'judge' })}
            />
          </Field>
        </FieldSet>
      </Box>
    </Stack>
  );
}

interface TagsProps {
  id: string;
  label: string;
  form: string;
  example: string;
  tags: string[];
  disabled: boolean;
  onChange: (pairs: Array<[string, string]>) => void;
}

/** Tags of two parts, such as `key:value`; one that has not two is refused. */
function Tags({ id, label, form, example, tags, disabled, onChange }: TagsProps) {
  const [refused, setRefused] = useState<string>();
  const change = (changed: string[]) => {
    setRefused(changed.find((tag) => split(tag) === undefined));
    onChange(changed.map(split).filter((pair) => pair !== undefined));
  };
  return (
    <Field
      label={label}
      description={`${form}, such as ${example}`}
      invalid={refused !== undefined}
      error={`“${refused}” is not of the form ${form}`}
    >
      <TagsInput
        id={id}
        width={WIDTH}
        tags={tags}
        autoColors={false}
        disabled={disabled}
        placeholder={`${form}, then Enter`}
        onChange={change}
      />
    </Field>
  );
}
