import type { FetchError } from '@grafana/runtime';
import type { Diagnostic } from './types';

/** A request that failed: the HTTP status, 0 if there was no answer, and a sentence on what to do. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly diagnostics: Diagnostic[] = [],
    readonly cancelled = false
  ) {
    super(message);
  }

  /** Whether it may pass by itself: the API, or its Kafka, does not answer. */
  get isAway(): boolean {
    return [0, 502, 503, 504].includes(this.status);
  }
}

export const problemOf = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, String(error));

/** What BeTrace, or Grafana's proxy to it, refused. BeTrace's bodies (RFC 9457) have a detail, Grafana's have none. */
export function ofBeTrace(error: FetchError): Problem {
  const { detail, diagnostics } = error.data ?? {};
  return new Problem(error.status, told(error, detail), diagnostics, error.cancelled);
}

/** What Grafana itself refused. */
export const ofGrafana = (error: FetchError) => new Problem(error.status, said(error));

/** What Tempo, or Grafana's proxy to it, refused of a trace. */
export const ofTempo = (traceId: string) => (error: FetchError) =>
  new Problem(
    error.status,
    error.status === 404 ? `Tempo has no trace ${traceId}.` : `Tempo did not give the trace ${traceId}. ${said(error)}`
  );

function told(error: FetchError, detail?: string): string {
  switch (error.status) {
    case 401:
      return 'BeTrace does not know the token that Grafana sends: an administrator sets it on the configuration page.';
    case 403:
      return detail ?? 'Your role in Grafana may not do this.';
    case 502:
    case 504:
      return 'Grafana does not reach BeTrace’s API: is it running, and is its address right?';
    default:
      return detail ?? said(error);
  }
}

const said = ({ status, data }: FetchError) =>
  `Grafana answered with status ${status}${data?.message ? `: ${data.message}` : '.'}`;
