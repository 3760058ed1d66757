import React, { useRef } from 'react';
import { CodeEditor, type monacoTypes } from '@grafana/ui';

interface Props extends Omit<React.ComponentProps<typeof CodeEditor>, 'onEditorWillUnmount'> {
  label: string;
}

/**
 * Grafana's editor, whose text goes when it goes. Grafana's keeps the `onChange` that it is given first, and calls it for
 * texts that come from the page too, so it may not hold what changes.
 */
export function TextEditor({ label, monacoOptions, onEditorDidMount, ...props }: Props) {
  const model = useRef<monacoTypes.editor.ITextModel | null>(null);
  return (
    <CodeEditor
      {...props}
      showLineNumbers
      showMiniMap={false}
      monacoOptions={{ ariaLabel: `${label}. Ctrl+M lets Tab leave the editor.`, wordWrap: 'on', ...monacoOptions }}
      onEditorDidMount={(editor, monaco) => {
        model.current = editor.getModel();
        onEditorDidMount?.(editor, monaco);
      }}
      onEditorWillUnmount={() => model.current?.dispose()}
    />
  );
}
