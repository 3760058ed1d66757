import { ScopedVars } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

const MARK = '\u0000';

/** A text with its variables replaced: one text for each value, or combination of values. */
export function expand(text: string, variables: TemplateSrv, scoped: ScopedVars): string[] {
  const choices: string[][] = [];
  const parts = variables
    .replace(text, scoped, (value: unknown) => {
      choices.push([value].flat().map(String));
      return MARK;
    })
    .split(MARK);
  return choices.reduce(
    (made, values, place) => made.flatMap((begun) => values.map((value) => begun + value + parts[place + 1])),
    [parts[0]]
  );
}

/** The texts of a filter with their variables replaced. Where one stands for all there is, the filter lets all through. */
export function expandAll(texts: string[] | undefined, variables: TemplateSrv, scoped: ScopedVars): string[] {
  const given = texts ?? [];
  if (given.some((text) => isAll(text, variables))) {
    return [];
  }
  return [...new Set(given.flatMap((text) => expand(text, variables, scoped)))].filter((text) => text !== '');
}

function isAll(text: string, variables: TemplateSrv): boolean {
  const name = /^\$(\w+)$|^\$\{(\w+)(?::\w+)?\}$|^\[\[(\w+)\]\]$/.exec(text)?.slice(1).find(Boolean);
  return variables.getVariables().some((variable) => {
    const current =
      'current' in variable && variable.current && 'value' in variable.current ? variable.current.value : '';
    return variable.name === name && [current].flat().includes('$__all');
  });
}
