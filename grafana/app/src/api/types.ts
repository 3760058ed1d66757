/** What BeTrace's HTTP API takes and gives; its own description is at /api/openapi.json. */

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The part of a rule that people write. */
export interface Draft {
  id: string;
  name: string;
  description: string;
  severity: Severity;
  enabled: boolean;
  mode: 'enforce' | 'shadow';
  onIncomplete: 'judge' | 'skip';
  condition: string;
  message: string | null;
  labels: Record<string, string>;
  compliance: Array<{ framework: string; control: string }>;
  runbookUrl: string | null;
}

export interface Rule extends Draft {
  version: number;
  updatedAt: string | null;
  updatedBy: string | null;
  source: 'api' | 'file';
}

export interface Activity {
  ruleId: string;
  day: string;
  evaluated: number;
  applied: number;
  violated: number;
  errors: number;
}

export interface Version {
  version: number;
  at: string | null;
  by: string;
  rule: Rule | null;
}

export interface Diagnostic {
  severity: 'error' | 'warning';
  message: string;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
  suggestion: string | null;
}

export interface Validated {
  valid: boolean;
  diagnostics: Diagnostic[];
  spanNames: string[];
  attributes: string[];
}

export type Outcome = 'violated' | 'satisfied' | 'not_applicable' | 'skipped' | 'error';

/** What a condition came to; null if it was not needed. */
export interface Came {
  text: string;
  holds: boolean | null;
  why: string | null;
  spans: string[];
  parts: Came[];
}

export interface ExplainedSpan {
  spanId: string;
  name: string;
  service: string;
  startMs: number;
  durationMs: number;
  depth: number;
  roles: string[];
}

export interface Explained {
  traceId: string;
  verdict: Outcome;
  reason: string | null;
  complete: boolean;
  messages: string[];
  clauses: Array<{ clause: string; bound: Record<string, string>; condition: Came }>;
  spans: ExplainedSpan[];
}

export interface Tried {
  verdicts: Array<{ traceId: string; verdict: Outcome }>;
  explain: Explained;
}

export interface Imported {
  created: string[];
  replaced: string[];
  unchanged: string[];
  diagnostics: Diagnostic[];
}

export interface Violation {
  id: string;
  traceId: string;
  message?: string;
  detectedAt: string;
}
