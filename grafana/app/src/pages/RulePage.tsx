import React, { useCallback, useEffect, useState } from 'react';
import { Navigate, Route, Routes, useLocation, useNavigate, useParams } from 'react-router-dom';
import { PluginPage } from '@grafana/runtime';
import { Alert, Badge, Button, LoadingPlaceholder, Stack } from '@grafana/ui';
import { createRule, getRule, replaceRule } from '../api/client';
import { problemOf, type Problem } from '../api/problem';
import type { Draft, Rule } from '../api/types';
import { useLoaded } from '../api/useLoaded';
import { Conflict } from '../components/Conflict';
import { Failure } from '../components/Failure';
import { notify } from '../components/notify';
import { useLeaving } from '../components/useLeaving';
import { ruleLink, RULES, type Tab } from '../links';
import { changedFields, newDraft } from '../rule';
import { isWritable, mayWrite } from '../settings';
import { useChecked } from '../useChecked';
import { HistoryTab } from './HistoryTab';
import { RuleTab } from './RuleTab';
import { TestTab } from './TestTab';

const nothing = async () => undefined;

/** One rule, or a new one: what is being written outlives a change of tabs. */
export function RulePage() {
  const { id } = useParams();
  const load = useCallback(() => (id === undefined ? nothing() : getRule(id)), [id]);
  const { value: rule, problem, reload } = useLoaded<Rule | undefined>(load);

  if (problem && !rule) {
    return (
      <Page id={id} name={id!}>
        {problem.status !== 404 ? (
          <Failure title="The rule could not be loaded" problem={problem} retry={reload} />
        ) : (
          <Deleted id={id!} onRestored={reload} />
        )}
      </Page>
    );
  }
  if (id !== undefined && rule === undefined) {
    return (
      <Page id={id} name={id}>
        <LoadingPlaceholder text="Loading the rule…" />
      </Page>
    );
  }
  return <Editing key={id ?? ''} rule={rule} />;
}

function Editing({ rule }: { rule?: Rule }) {
  const navigate = useNavigate();
  const [base, setBase] = useState(rule);
  const [draft, setDraft] = useState<Draft>(rule ?? newDraft());
  const [trace, setTrace] = useState('');
  const [problem, setProblem] = useState<Problem>();
  const [theirs, setTheirs] = useState<Rule>();
  const [saving, setSaving] = useState(false);
  const checked = useChecked(draft.condition);

  const writable = base ? isWritable(base) : mayWrite();
  const isDirty = writable && changedFields(base ?? newDraft(), draft).length > 0;
  const isWrong =
    checked.condition === draft.condition && checked.diagnostics.some((each) => each.severity === 'error');
  const maySave = isDirty && !saving && !isWrong && draft.id !== '' && draft.condition.trim() !== '';
  const question = useLeaving(isDirty && !saving, ruleLink(base?.id));

  const seen = useCallback((now: Rule) => {
    setBase(now);
    setDraft(now);
    setProblem(undefined);
  }, []);

  const save = useCallback(async () => {
    setSaving(true);
    try {
      const saved = await (base ? replaceRule(draft, base.version) : createRule(draft));
      notify.success(`${saved.name} is saved as version ${saved.version}`);
      setBase(saved);
      setDraft((now) => (now === draft ? saved : now)); // what was typed meanwhile stays
      setProblem(undefined);
      !base && navigate(ruleLink(saved.id), { replace: true });
    } catch (error) {
      const found = problemOf(error);
      setProblem(found);
      setTheirs(base && found.status === 412 ? await getRule(base.id).catch(() => undefined) : undefined);
    } finally {
      setSaving(false);
    }
  }, [base, draft, navigate]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === 's') {
        event.preventDefault();
        event.stopPropagation();
        maySave && save();
      }
    };
    window.addEventListener('keydown', onKey, true);
    return () => window.removeEventListener('keydown', onKey, true);
  }, [maySave, save]);

  return (
    <Page
      id={base?.id}
      name={base?.name ?? 'New rule'}
      actions={
        writable ? (
          <Stack gap={1} alignItems="center">
            {isDirty && <Badge text="Not saved" color="orange" />}
            {isDirty && base && (
              <Button variant="secondary" onClick={() => seen(base)}>
                Discard
              </Button>
            )}
            <Button icon="save" tooltip="Ctrl+S" disabled={!maySave} onClick={save}>
              Save
            </Button>
          </Stack>
        ) : undefined
      }
    >
      {base?.source === 'file' && (
        <Alert severity="info" title="This rule comes from a rule file">
          It is changed there; here it can be read and tested.
        </Alert>
      )}
      {base?.source !== 'file' && !writable && (
        <Alert severity="info" title="You may read rules and test them">
          To change them takes the role of an editor in Grafana.
        </Alert>
      )}
      {problem && !theirs && <Failure title="The rule was not saved" problem={problem} />}
      {theirs && base && (
        <Conflict
          base={base}
          theirs={theirs}
          mine={draft}
          onMerged={(merged) => {
            setBase(theirs);
            setDraft(merged);
            setTheirs(undefined);
            setProblem(undefined);
          }}
          onDismiss={() => setTheirs(undefined)}
        />
      )}
      <Routes>
        <Route
          index
          element={<RuleTab draft={draft} isNew={!base} checked={checked} readOnly={!writable} onChange={setDraft} />}
        />
        <Route
          path="test"
          element={<TestTab draft={draft} checked={checked} trace={trace} onTrace={setTrace} isStored={!!base} />}
        />
        {base && (
          <Route
            path="history"
            element={<HistoryTab key={base.version} id={base.id} current={base} isDirty={isDirty} onRestored={seen} />}
          />
        )}
        <Route path="*" element={<Navigate to={ruleLink(base?.id)} replace />} />
      </Routes>
      {question}
    </Page>
  );
}

/** A rule that is no more may have a history, and come back from it. */
function Deleted({ id, onRestored }: { id: string; onRestored: () => void }) {
  const navigate = useNavigate();
  return (
    <>
      <Alert severity="warning" title={`There is no rule ${id}`} />
      <HistoryTab
        id={id}
        onRestored={() => {
          navigate(ruleLink(id));
          onRestored();
        }}
      />
    </>
  );
}

interface PageProps {
  id?: string;
  name: string;
  actions?: React.ReactNode;
  children: React.ReactNode;
}

function Page({ id, name, actions, children }: PageProps) {
  const { pathname } = useLocation();
  const tab = (key: Tab, text: string) => ({
    id: key,
    text,
    url: ruleLink(id, key),
    active: pathname === ruleLink(id, key),
  });
  const tabs = [tab('rule', 'Rule'), tab('test', 'Test'), ...(id === undefined ? [] : [tab('history', 'History')])];
  return (
    <PluginPage
      actions={actions}
      pageNav={{ text: name, url: ruleLink(id), parentItem: { text: 'Rules', url: RULES }, children: tabs }}
    >
      {children}
    </PluginPage>
  );
}
