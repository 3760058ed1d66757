import React, { useEffect, useState } from 'react';
import type { Monaco, monacoTypes } from '@grafana/ui';
import { listValues } from '../api/client';
import type { Diagnostic } from '../api/types';
import { LANGUAGE, lately, teach } from '../dsl/language';
import type { Checked } from '../useChecked';
import { TextEditor } from './TextEditor';

const OWNER = 'betrace'; // of markers
const LINE = 18; // pixels

interface Mounted {
  editor: monacoTypes.editor.IStandaloneCodeEditor;
  monaco: Monaco;
}

/** What other parts of the page do with the editor. */
export interface Handle {
  format: () => void;
  reveal: (diagnostic: Diagnostic) => void;
  replace: (diagnostic: Diagnostic, text: string) => void;
}

interface Props {
  value: string;
  checked: Checked;
  readOnly: boolean;
  onChange: (text: string) => void; // the first is kept
  onMount: (handle: Handle) => void;
}

export function ConditionEditor({ value, checked, readOnly, onChange, onMount }: Props) {
  const [mounted, setMounted] = useState<Mounted>();

  useEffect(() => {
    listValues('spanName').then((names) => (lately.spanNames = names), ignore);
    listValues('attribute').then((keys) => (lately.attributes = keys), ignore);
  }, []);

  useEffect(() => {
    const model = mounted?.editor.getModel();
    if (mounted && model && model.getValue() === checked.condition) {
      const { monaco } = mounted;
      monaco.editor.setModelMarkers(
        model,
        OWNER,
        checked.diagnostics.map((each) => marker(each, monaco))
      );
    }
  }, [mounted, checked]);

  return (
    <TextEditor
      label="Condition"
      language={LANGUAGE}
      value={value}
      readOnly={readOnly}
      height={LINE * Math.min(24, Math.max(8, value.split('\n').length + 2))}
      monacoOptions={OPTIONS}
      onBeforeEditorMount={teach}
      onEditorDidMount={(editor, monaco) => {
        setMounted({ editor, monaco });
        onMount(handleOf({ editor, monaco }));
      }}
      onChange={onChange}
    />
  );
}

const ignore = () => undefined; // completion offers less

const OPTIONS = {
  folding: false,
  lineHeight: LINE,
  lineNumbersMinChars: 3,
  quickSuggestions: { other: true, comments: false, strings: false },
  scrollBeyondLastLine: false,
  wordBasedSuggestions: false,
};

function handleOf({ editor, monaco }: Mounted): Handle {
  return {
    format: () => editor.getAction('editor.action.formatDocument')?.run(),
    reveal: ({ line, column }) => {
      editor.setPosition({ lineNumber: line, column });
      editor.revealLineInCenterIfOutsideViewport(line);
      editor.focus();
    },
    replace: ({ line, column, endLine, endColumn }, text) => {
      editor.executeEdits(OWNER, [{ range: new monaco.Range(line, column, endLine, endColumn), text }]);
      editor.pushUndoStop();
      editor.focus();
    },
  };
}

const marker = (of: Diagnostic, monaco: Monaco): monacoTypes.editor.IMarkerData => ({
  severity: of.severity === 'error' ? monaco.MarkerSeverity.Error : monaco.MarkerSeverity.Warning,
  message: of.message,
  startLineNumber: of.line,
  startColumn: of.column,
  endLineNumber: of.endLine,
  endColumn: of.endColumn,
});
