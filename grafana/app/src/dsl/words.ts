/** The words of the rule language with what the hover says of them, apart from any editor. */

export const KEYWORDS: Record<string, string> = {
  when: '`when { … }` says to which traces the rule applies.',
  always: '`always { … }` must hold wherever `when` holds.',
  never: '`never { … }` must not hold where `when` holds.',
  let: '`let name = selector` names a selector for the rest of the rule.',
  as: '`S as x` names the chosen span `x`. In `when` the rule is checked for every such span.',
  and: 'Both hold.',
  or: 'One of them holds, or both.',
  not: 'It does not hold; of a selector: it selects no span.',
  in: '`field in [a, "b", 3]`: the field is one of these.',
  exists: '`field exists`: the span has it.',
  matches: '`field matches "regex"`: an RE2 expression, not anchored.',
  contains: '`field contains text`; of an array: one of its elements is it.',
  starts_with: '`field starts_with text`',
  ends_with: '`field ends_with text`',
  before: '`A before B`: some A ends no later than some B starts. `within 5s` bounds the gap.',
  after: '`A after B`: some A starts no earlier than some B ends.',
  overlaps: '`A overlaps B`: each starts before the other ends.',
  within: '`A within 500ms of B`: the gap is at most that, either way. `A before B within 5s` bounds the gap.',
  of: '',
  inside: '`A inside B`: A descends from B.',
  encloses: '`A encloses B`: B descends from A.',
  child: '`A child of B`: B is the parent of A.',
  parent: '`A parent of B`: A is the parent of B.',
  sibling: '`A sibling of B`: they have the same parent.',
  by: '`max(count(S) by field)`: the largest group.',
  true: '',
  false: '',
};

export const FUNCTIONS: Record<string, string> = {
  any: 'Every span.',
  root: 'Spans without a parent.',
  all: '`all(S, predicate)`: every span of S satisfies it; true if there is none.',
  count: '`count(S)`: how many spans.',
  sum: '`sum(S.field)`: of the values that are numbers.',
  avg: '`avg(S.field)`: of the values that are numbers.',
  min: '`min(S.field)`, or `min(count(S) by field)`: the smallest group.',
  max: '`max(S.field)`, or `max(count(S) by field)`: the largest group.',
  p50: '`p50(S.field)`: the median, nearest-rank.',
  p90: '`p90(S.field)`: 90th percentile, nearest-rank.',
  p95: '`p95(S.field)`: 95th percentile, nearest-rank.',
  p99: '`p99(S.field)`: 99th percentile, nearest-rank.',
  distinct: '`distinct(S.field)`: how many different values.',
  where: '`S.where(predicate)`: the spans of S for which it holds.',
  'trace.has': '`trace.has(S)`: the trace has such a span.',
  'trace.count': '`trace.count(S)`: how many spans.',
  'trace.duration': 'From the first start to the last end.',
  'trace.span_count': 'How many spans the trace has.',
  'trace.service_count': 'How many services took part.',
  'trace.error_count': 'How many spans have the status error.',
  'trace.depth': 'Spans on the longest chain of parents.',
  'trace.root': '`trace.root.field`: of the root; missing unless there is exactly one.',
};

export const FIELDS: Record<string, string> = {
  service: '`service.name` of the resource.',
  duration: 'How long the span took, such as `250ms`.',
  timestamp: 'When the span started.',
  end: 'When the span ended.',
  'span:name': 'The span’s name.',
  'span:duration': 'How long the span took.',
  'span:kind': '`server`, `client`, `internal`, `producer`, `consumer` or `unspecified`.',
  'span:status': '`ok`, `error` or `unset`.',
  'span:statusMessage': 'What the status says.',
  'span:id': 'The span’s id, in hex.',
  'span:parentID': 'The id of its parent, in hex.',
  'span:childCount': 'How many children it has.',
  'event:name': 'The name of one of its events.',
  'link:traceID': 'The trace id of one of its links.',
  'link:spanID': 'The span id of one of its links.',
  'instrumentation:name': 'The scope’s name.',
  'instrumentation:version': 'The scope’s version.',
};

const HELP: Record<string, string> = { ...KEYWORDS, ...FUNCTIONS, ...FIELDS };

/** What the hover says of a word, if it is one. */
export const helpOn = (word: string) => (Object.hasOwn(HELP, word) && HELP[word]) || undefined;

const NAME = /^[A-Za-z_]\w*(-\w+)*(\.[A-Za-z_]\w*(-\w+)*)*$/;

/** A name as the language writes it: in quotes where it has to be. */
export const written = (name: string) => (NAME.test(name) && !Object.hasOwn(HELP, name) ? name : JSON.stringify(name));

/** Whether what is typed next stands in a predicate on one span, as in `.where(`, and the names that `as` gave so far. */
export function contextOf(before: string): { inPredicate: boolean; aliases: string[] } {
  const text = before.replace(/"(?:\\.|[^"\\\n])*"/g, (quoted) => '_'.repeat(quoted.length)).replace(/(\/\/|#).*/g, '');
  const openings: string[] = [];
  for (const match of text.matchAll(/([\w.]*)\(|\)/g)) {
    match[0] === ')' ? openings.pop() : openings.push(match[1]);
  }
  const inPredicate = openings.some((opening) => opening.endsWith('.where'));
  return { inPredicate, aliases: [...new Set([...text.matchAll(/\bas\s+([A-Za-z_]\w*)/g)].map((match) => match[1]))] };
}
