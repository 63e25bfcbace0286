// Functions that the steps of the scenario share.
import { type Problem, problemOf } from './errors.js';
import type { Article } from './generated/copydesk/v1/article.js';
import type { IngestedArticle, IngestResult } from './generated/copydesk/v1/ingestion_service.js';
import type { Consistency } from './generated/copydesk/v1/retrieval_service.js';

/** Requires a read of everything that is committed. */
export const FULLY_CONSISTENT: Consistency = { requirement: { $case: 'fullyConsistent', value: true } };

/** Returns the ingested articles among the results of a document. */
export function ingestedOf(results: IngestResult[]): IngestedArticle[] {
  return results.flatMap(({ result }) => (result?.$case === 'ingested' ? [result.value] : []));
}

/** Requires a read at least as fresh as this write, from any replica. */
export function fresh({ changeToken }: Article): Consistency {
  return { requirement: { $case: 'atLeastAsFresh', value: changeToken } };
}

export async function failure(call: Promise<unknown>): Promise<Problem> {
  try {
    await call;
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('the call succeeded; it must fail');
}

export function soon(milliseconds: number) {
  return { deadline: Date.now() + milliseconds };
}

/** Returns a field that every response has. */
export function needed<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the response lacks a field that every response has');
  return value;
}

export function yes(value: boolean): string {
  return value ? 'yes' : 'no';
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
