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

  /** BeTrace's problem bodies (RFC 9457) have a detail; what has none comes from Grafana's proxy. */
  static of(error: FetchError): Problem {
    const { detail, diagnostics } = error.data ?? {};
    return new Problem(error.status, told(error.status, detail), diagnostics, error.cancelled);
  }

  /** Whether it may pass by itself: the API, or its Kafka, does not answer. */
  get isAway(): boolean {
    return [0, 502, 503, 504].includes(this.status);
  }
}

export const problemOf = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, String(error));

function told(status: number, detail?: string): string {
  switch (status) {
    case 401:
      return 'BeTrace does not know the token that Grafana sends: an administrator sets it on the configuration page.';
    case 403:
      return detail ?? 'Your role in Grafana may read rules, not change them.';
    case 502:
    case 504:
      return 'Grafana does not reach BeTrace’s API: is it running, and is its address right?';
    default:
      return detail ?? `Grafana answered with status ${status}.`;
  }
}
