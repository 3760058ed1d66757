import React, { useCallback, useContext, useEffect, useRef, useState } from 'react';
import { useLocation, useSearchParams } from 'react-router-dom';
import { Box, Button, Combobox, Field, Grid, Input, Stack, Text } from '@grafana/ui';
import { listViolations, testRule, traceFromTempo } from '../api/client';
import { Problem, problemOf } from '../api/problem';
import type { Draft, Tried } from '../api/types';
import { useLoaded } from '../api/useLoaded';
import { Explanation } from '../components/Explanation';
import { Failure } from '../components/Failure';
import { TextEditor } from '../components/TextEditor';
import { EXAMPLES } from '../examples';
import { SettingsContext } from '../settings';
import type { Checked } from '../useChecked';

interface Props {
  draft: Draft;
  checked: Checked;
  trace: string;
  isStored: boolean;
  onTrace: (trace: string) => void;
}

/** The rule, as it is being written, judges a trace; nothing is stored. */
export function TestTab({ draft, checked, trace, isStored, onTrace }: Props) {
  const [tried, setTried] = useState<Tried>();
  const [problem, setProblem] = useState<Problem>();
  const [isRunning, setRunning] = useState(false);
  const latest = useRef({ draft, trace });
  const turn = useRef(0); // what comes of an earlier one is not shown

  useEffect(() => {
    latest.current = { draft, trace };
  }, [draft, trace]);

  const tell = useCallback((tried?: Tried, problem?: Problem) => {
    turn.current++;
    setRunning(false);
    setTried(tried);
    setProblem(problem);
  }, []);

  const run = useCallback(
    async (given: string) => {
      const mine = ++turn.current;
      const { draft } = latest.current;
      setRunning(true);
      try {
        const found = await testRule({ ...draft, id: draft.id || 'rule' }, parsed(given));
        mine === turn.current && tell(found);
      } catch (error) {
        mine === turn.current && tell(undefined, problemOf(error));
      }
    },
    [tell]
  );

  const fail = useCallback((problem: Problem) => tell(undefined, problem), [tell]);

  useEffect(() => {
    latest.current.trace && run(latest.current.trace); // back from mending the rule
  }, [run]);

  const give = useCallback(
    (text: string) => {
      onTrace(text);
      run(text);
    },
    [onTrace, run]
  );

  return (
    <Grid columns={{ xs: 1, xl: 2 }} gap={3}>
      <Stack direction="column" gap={2}>
        <Sources draft={draft} checked={checked} isStored={isStored} onTrace={give} onProblem={fail} />
        <TextEditor label="Trace" language="json" height={360} value={trace} onChange={onTrace} />
        <Stack gap={2} alignItems="center">
          <Button icon={isRunning ? 'spinner' : 'play'} disabled={trace.trim() === ''} onClick={() => run(trace)}>
            Test
          </Button>
          <Text variant="bodySmall" color="secondary">
            OTLP/JSON, also as Tempo and Jaeger export it, or the short form of rule tests
          </Text>
        </Stack>
      </Stack>
      <Box>
        {problem && <Failure title="The trace was not judged" problem={problem} />}
        {tried && <Explanation tried={tried} />}
        {!tried && !problem && (
          <Text color="secondary">Paste a trace, or choose one, to see what the rule says of it.</Text>
        )}
      </Box>
    </Grid>
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem(400, `The trace is no JSON: ${error instanceof Error ? error.message : error}`);
  }
}

interface SourcesProps {
  draft: Draft;
  checked: Checked;
  isStored: boolean;
  onTrace: (trace: string) => void;
  onProblem: (problem: Problem) => void;
}

const none = async () => [];

/** Where a trace comes from if it is not pasted: an example, Tempo by id, or a violation of late. */
function Sources({ draft, checked, isStored, onTrace, onProblem }: SourcesProps) {
  const { tempoUid } = useContext(SettingsContext);
  const [params, setParams] = useSearchParams();
  const [traceId, setTraceId] = useState(params.get('traceId') ?? '');
  const { key } = useLocation(); // another each time that a trace is asked for
  const [fetched, setFetched] = useState<string>();
  const load = useCallback(
    () => (isStored && tempoUid ? listViolations(draft.id) : none()),
    [isStored, tempoUid, draft.id]
  );
  const { value: violations } = useLoaded(load);
  const wanted = tempoUid && params.get('traceId');
  const isFetching = wanted && fetched !== key;

  useEffect(() => {
    if (!wanted) {
      return;
    }
    let isWanted = true;
    traceFromTempo(tempoUid, wanted)
      .then(
        (found) => isWanted && onTrace(JSON.stringify(found, null, 2)),
        (error) => isWanted && onProblem(problemOf(error))
      )
      .finally(() => isWanted && setFetched(key));
    return () => {
      isWanted = false;
    };
  }, [key, wanted, tempoUid, onTrace, onProblem]);

  const fetchTrace = (id: string) => {
    setTraceId(id);
    setParams({ traceId: id.trim() }, { replace: true });
  };
  const choose = (example: string) => {
    setParams({}, { replace: true });
    onTrace(EXAMPLES.find(({ name }) => name === example)!.text(checked));
  };
  return (
    <Stack gap={2} wrap="wrap" alignItems="end">
      <Field label="Example" noMargin>
        <Combobox
          id="example"
          width={24}
          placeholder="Choose"
          options={EXAMPLES.map(({ name }) => ({ value: name }))}
          value={null}
          onChange={({ value }) => choose(value)}
        />
      </Field>
      {tempoUid && (
        <Field label="Trace id, from Tempo" noMargin>
          <Input
            id="trace-id"
            width={40}
            value={traceId}
            onChange={(e) => setTraceId(e.currentTarget.value)}
            onKeyDown={(e) => e.key === 'Enter' && traceId.trim() && fetchTrace(traceId)}
            addonAfter={
              <Button
                variant="secondary"
                icon={isFetching ? 'spinner' : undefined}
                disabled={traceId.trim() === ''}
                onClick={() => fetchTrace(traceId)}
              >
                Get
              </Button>
            }
          />
        </Field>
      )}
      {!tempoUid && params.has('traceId') && (
        <Text color="warning">No Tempo datasource is set on the configuration page: paste the trace.</Text>
      )}
      {violations && violations.length > 0 && (
        <Field label="Recent violation" noMargin>
          <Combobox
            id="violation"
            width={40}
            placeholder="Choose"
            options={violations.map(({ traceId, message }) => ({
              value: traceId,
              label: message,
              description: traceId,
            }))}
            value={null}
            onChange={({ value }) => fetchTrace(value)}
          />
        </Field>
      )}
    </Stack>
  );
}
