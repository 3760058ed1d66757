import type { Monaco, monacoTypes } from '@grafana/ui';
import { format } from '../api/client';
import { contextOf, FIELDS, FUNCTIONS, helpOn, KEYWORDS, written } from './words';

export const LANGUAGE = 'betrace';

/** Names that came lately; what completion offers beside the words. Languages are global in the page, and so is this. */
export const lately = { spanNames: [] as string[], attributes: [] as string[] };

/** Teaches Grafana's Monaco the rule language, once for the page. */
export function teach(monaco: Monaco): void {
  if (monaco.languages.getLanguages().some(({ id }) => id === LANGUAGE)) {
    return;
  }
  monaco.languages.register({ id: LANGUAGE });
  monaco.languages.setMonarchTokensProvider(LANGUAGE, TOKENS);
  monaco.languages.setLanguageConfiguration(LANGUAGE, CONFIGURATION);
  monaco.languages.registerCompletionItemProvider(LANGUAGE, completion(monaco));
  monaco.languages.registerHoverProvider(LANGUAGE, { provideHover });
  monaco.languages.registerDocumentFormattingEditProvider(LANGUAGE, { provideDocumentFormattingEdits });
}

const SEGMENT = /[A-Za-z_]\w*(?:-\w+)*/.source;

const TOKENS: monacoTypes.languages.IMonarchLanguage = {
  keywords: Object.keys(KEYWORDS),
  functions: Object.keys(FUNCTIONS),
  fields: Object.keys(FIELDS),
  tokenizer: {
    root: [
      [/(\/\/|#).*/, 'comment'],
      [/"(?:\\.|[^"\\])*"/, 'string'],
      [/"[^"]*$/, 'string.invalid'],
      [/\.where\b/, 'type'],
      [/(?:span|event|link|instrumentation):\w+/, 'type'],
      [/trace\.(?:has|count|duration|span_count|service_count|error_count|depth|root)\b/, 'type'],
      [/\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?:ns|us|ms|s|m|h)?\b/, 'number'],
      [
        new RegExp(`${SEGMENT}(?:\\.(?!where\\b)${SEGMENT})*`),
        { cases: { '@keywords': 'keyword', '@functions': 'type', '@fields': 'type', '@default': 'identifier' } },
      ],
      [/[{}()[\]]/, '@brackets'],
      [/[<>=!]=?|[-+*/]/, 'operator'],
    ],
  },
};

const CONFIGURATION: monacoTypes.languages.LanguageConfiguration = {
  comments: { lineComment: '//' },
  brackets: [
    ['{', '}'],
    ['(', ')'],
    ['[', ']'],
  ],
  autoClosingPairs: ['{}', '()', '[]', '""'].map(([open, close]) => ({ open, close })),
  wordPattern: new RegExp(`${SEGMENT}(?:[.:]${SEGMENT})*`),
};

const SNIPPETS: Record<string, string> = {
  when: 'when   { $1 }\nalways { $2 }',
  always: 'always { $1 }',
  never: 'never { $1 }',
  all: 'all($1)',
  'trace.has': 'trace.has($1)',
  'trace.count': 'trace.count($1)',
  ...Object.fromEntries(
    'count sum avg min max p50 p90 p95 p99 distinct'.split(' ').map((name) => [name, `${name}($1)`])
  ),
};

const PLAIN_FIELDS = Object.keys(FIELDS).filter((key) => !key.includes(':'));

function completion(monaco: Monaco): monacoTypes.languages.CompletionItemProvider {
  const { Keyword, Function: Call, Field, Value, Variable } = monaco.languages.CompletionItemKind;
  const rules = monaco.languages.CompletionItemInsertTextRule.InsertAsSnippet;

  return {
    triggerCharacters: ['.', '(', ' '],
    provideCompletionItems(model, { lineNumber, column }) {
      const word = model.getWordUntilPosition({ lineNumber, column });
      const range = new monaco.Range(lineNumber, word.startColumn, lineNumber, column);
      const before = model.getValueInRange(new monaco.Range(1, 1, lineNumber, word.startColumn));
      const { inPredicate, aliases } = contextOf(before);
      const item = (label: string, kind: number, detail: string, insertText = label) => {
        const help = helpOn(label);
        return { label, kind, detail, insertText, range, filterText: label, documentation: help && { value: help } };
      };
      const words = (of: Record<string, string>, kind: number) =>
        Object.keys(of).map((label) => ({
          ...item(label, kind, '', SNIPPETS[label]),
          insertTextRules: label in SNIPPETS ? rules : undefined,
        }));

      const dotted = before.match(/(\w+)\.$/)?.[1];
      if (dotted && !aliases.includes(dotted)) {
        return { suggestions: [{ ...item('where', Call, '', 'where($1)'), insertTextRules: rules }] };
      }
      const alias = dotted ?? aliases.find((name) => word.word.startsWith(`${name}.`));
      if (alias) {
        const keys = [...PLAIN_FIELDS, ...lately.attributes.filter((key) => written(key) === key)];
        return { suggestions: keys.map((key) => item(dotted ? key : `${alias}.${key}`, Field, '')) };
      }
      const attributes = lately.attributes.map((key) => item(key, Field, 'attribute', written(key)));
      const spans = lately.spanNames.map((name) => item(name, Value, 'span', written(name)));
      return {
        suggestions: [
          ...aliases.map((name) => item(name, Variable, 'named span')),
          ...(inPredicate ? [...attributes, ...words(FIELDS, Field)] : [...spans, ...words(FUNCTIONS, Call)]),
          ...words(KEYWORDS, Keyword),
        ],
      };
    },
  };
}

const provideHover: monacoTypes.languages.HoverProvider['provideHover'] = (model, position) => {
  const word = model.getWordAtPosition(position);
  const help = word && helpOf(word.word);
  return help ? { contents: [{ value: help }] } : null;
};

function helpOf(word: string): string | undefined {
  const known = helpOn(word) ?? (word.endsWith('.where') ? helpOn('where') : undefined);
  if (known) {
    return known;
  }
  const name = word.replace(/\.where$/, '');
  return lately.spanNames.includes(name) ? 'A span that came lately.' : undefined;
}

async function provideDocumentFormattingEdits(model: monacoTypes.editor.ITextModel) {
  const version = model.getVersionId();
  const text = await format(model.getValue()).catch(() => null);
  const isCurrent = text !== null && model.getVersionId() === version && text !== model.getValue();
  return isCurrent ? [{ range: model.getFullModelRange(), text }] : [];
}
