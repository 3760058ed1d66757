import { AdHocVariableFilter } from '@grafana/data';
import { BeTraceQuery } from './types';

/** Keys of ad-hoc filters, which are the names of fields in the table, so that its cells can be filtered by. */
export const KEYS = ['severity', 'ruleId', 'service', 'traceID'];
export const LABEL = 'label:';
const NOTHING = 'none'; // no trace is called so

/** A query with ad-hoc filters added: all of them and its own have to let through. Error for what the API cannot do. */
export function narrowed(query: BeTraceQuery, filters: AdHocVariableFilter[]): BeTraceQuery {
  return filters.filter((filter) => filter.key && valuesOf(filter).length > 0).reduce(narrow, query);
}

function narrow(query: BeTraceQuery, filter: AdHocVariableFilter): BeTraceQuery {
  const values = valuesOf(filter);
  if (filter.operator !== '=' && filter.operator !== '=|') {
    throw new Error(`Filter on ${filter.key}: BeTrace knows '=' and 'one of', not '${filter.operator}'`);
  }
  if (filter.key.startsWith(LABEL)) {
    return withLabel(query, filter.key.slice(LABEL.length), values);
  }
  switch (filter.key) {
    case 'severity':
      return both(query, query.severities, values, (severities) => ({ severities }));
    case 'ruleId':
      return both(query, query.rules, values, (rules) => ({ rules }));
    case 'traceID':
      return both(query, query.traceId ? [query.traceId] : [], values, ([traceId]) => ({ traceId }));
    case 'service':
      if (query.services?.length) {
        throw new Error('Filter on service: the query filters services itself, and BeTrace cannot ask for both');
      }
      return { ...query, services: values };
    default:
      throw new Error(`Filter on ${filter.key}: BeTrace filters by ${KEYS.join(', ')} and ${LABEL}…`);
  }
}

function valuesOf(filter: AdHocVariableFilter): string[] {
  return (filter.values?.length ? filter.values : [filter.value]).filter(Boolean);
}

/** A query that lets through what both its own values and others do; nothing, if they share none. */
function both(
  query: BeTraceQuery,
  own: string[] | undefined,
  others: string[],
  change: (values: string[]) => Partial<BeTraceQuery>
): BeTraceQuery {
  const shared = own?.length ? own.filter((value) => others.includes(value)) : others;
  return shared.length > 0 ? { ...query, ...change(shared) } : { ...query, traceId: NOTHING };
}

function withLabel(query: BeTraceQuery, key: string, values: string[]): BeTraceQuery {
  const labels = query.labels ?? [];
  const mine = labels.filter((label) => label.startsWith(`${key}:`)).map((label) => label.slice(key.length + 1));
  const rest = labels.filter((label) => !label.startsWith(`${key}:`));
  return both(query, mine, values, (shared) => ({ labels: [...rest, ...shared.map((value) => `${key}:${value}`)] }));
}
