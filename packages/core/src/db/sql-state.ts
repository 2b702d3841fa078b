/** The SQLSTATE of an error that a server sent; undefined for anything else that was thrown. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  // The network's codes can look alike (EPIPE): only a server's error has a severity.
  return typeof code === 'string' && code.length === 5 && typeof severity === 'string' ? code : undefined;
}

/** Sent in place of an answer when the server ends the session: shutdown, crash, termination, time-outs of idle sessions. */
export function endsSession(state: string | undefined): boolean {
  return state !== undefined && (state.startsWith('08') || state.startsWith('57P') || state === '25P03');
}

/** A standby's way of saying that the statement writes, or needs what only a primary has. Nothing was executed. */
export function isRefusedByReplica(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === '25006' || (state === '0A000' && !isOutdatedPlan(error));
}

/** A prepared statement returns other columns now; the same class of error on every server. Nothing was executed. */
export function isOutdatedPlan(error: unknown): boolean {
  return (
    sqlStateOf(error) === '0A000' && (error as { routine?: unknown }).routine === 'RevalidateCachedQuery'
  );
}

/** The statement fell victim to others: to replay on a standby, to a concurrent transaction, to a deadlock. */
export function isConflict(state: string | undefined): boolean {
  return state === '40001' || state === '40P01';
}

/** The server lives, and has no connection left: none at all, for the role or for the database. */
export function isFull(state: string | undefined): boolean {
  return state === '53300';
}

/** No second attempt will help: wrong credentials, no such database, no permission to connect. */
export function isLastingRefusal(state: string | undefined): boolean {
  return state !== undefined && (state.startsWith('28') || state === '3D000' || state === '42501');
}
