import React, { useRef, useState } from 'react';
import { PluginPage } from '@grafana/runtime';
import { Alert, Button, FileUpload, LinkButton, Stack, Text, TextLink } from '@grafana/ui';
import { importRules } from '../api/client';
import { problemOf, type Problem } from '../api/problem';
import type { Diagnostic, Imported } from '../api/types';
import { Failure } from '../components/Failure';
import { notify } from '../components/notify';
import { TextEditor } from '../components/TextEditor';
import { ruleLink, RULES } from '../links';
import { mayWrite } from '../settings';

/** Rule files come in whole or not at all, and are looked at first. */
export function ImportPage() {
  const [yaml, setYaml] = useState('');
  const [found, setFound] = useState<Imported>();
  const [isDone, setDone] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setBusy] = useState(false);
  const latest = useRef(yaml); // what is answered of another text is not shown
  const tell = (found?: Imported, problem?: Problem, isDone = false) => {
    setFound(found);
    setProblem(problem);
    setDone(isDone);
  };
  const change = (text: string) => {
    if (text !== latest.current) {
      latest.current = text;
      setYaml(text);
      tell();
    }
  };
  const run = async (dryRun: boolean) => {
    setBusy(true);
    try {
      const found = await importRules(yaml, dryRun);
      !dryRun && notify.success('The rules are imported');
      latest.current === yaml && tell(found, undefined, !dryRun);
    } catch (error) {
      latest.current === yaml && tell(undefined, problemOf(error));
    } finally {
      setBusy(false);
    }
  };
  const changes = found ? found.created.length + found.replaced.length : 0;

  return (
    <PluginPage
      pageNav={{ text: 'Import', parentItem: { text: 'Rules', url: RULES } }}
      subTitle="A rule file, YAML, whole or not at all."
    >
      {!mayWrite() ? (
        <Alert severity="info" title="You may read rules, not import them" />
      ) : (
        <Stack direction="column" gap={2}>
          <Stack gap={1}>
            <FileUpload
              size="sm"
              accept=".yaml,.yml"
              onFileUpload={async (event) => change((await event.currentTarget.files?.[0]?.text()) ?? '')}
            >
              Choose a file
            </FileUpload>
          </Stack>
          <TextEditor label="Rule file" language="yaml" height={320} value={yaml} onChange={change} />
          <Stack gap={1}>
            <Button variant="secondary" disabled={isBusy || yaml.trim() === ''} onClick={() => run(true)}>
              See what it would do
            </Button>
            <Button icon="upload" disabled={isBusy || changes === 0 || isDone} onClick={() => run(false)}>
              {changes > 0 && !isDone ? `Import ${changes} ${changes === 1 ? 'rule' : 'rules'}` : 'Import'}
            </Button>
          </Stack>
          {problem && <Failure title="Nothing was imported" problem={problem} />}
          {problem && <Places diagnostics={problem.diagnostics} />}
          {found && (
            <section aria-label={isDone ? 'What it did' : 'What it would do'}>
              <Stack direction="column" gap={1}>
                <Names title={isDone ? 'Created' : 'To be created'} ids={found.created} exist={isDone} />
                <Names title={isDone ? 'Replaced' : 'To be replaced'} ids={found.replaced} />
                <Names title="Unchanged" ids={found.unchanged} />
                <Places diagnostics={found.diagnostics} />
                {isDone && (
                  <div>
                    <LinkButton href={RULES}>To the rules</LinkButton>
                  </div>
                )}
              </Stack>
            </section>
          )}
        </Stack>
      )}
    </PluginPage>
  );
}

const Names = ({ title, ids, exist = true }: { title: string; ids: string[]; exist?: boolean }) =>
  ids.length > 0 ? (
    <div>
      <Text color="secondary">{`${title}: `}</Text>
      {ids.map((id, at) => (
        <React.Fragment key={id}>
          {at > 0 && ', '}
          {exist ? <TextLink href={ruleLink(id)}>{id}</TextLink> : id}
        </React.Fragment>
      ))}
    </div>
  ) : null;

const Places = ({ diagnostics }: { diagnostics: Diagnostic[] }) => (
  <>
    {diagnostics.map(({ severity, line, column, message }, at) => (
      <Text key={at} color={severity === 'error' ? 'error' : 'warning'}>{`${line}:${column} ${message}`}</Text>
    ))}
  </>
);
