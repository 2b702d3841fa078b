/** An outcome that the client has to hear about. The status also refuses WebSocket handshakes. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What was asked for does not exist. */
export class NotFoundError extends ApiError {
  constructor(what: string) {
    super(404, `There is no such ${what}.`);
  }
}

/** Nobody is signed in, or not with the right password. */
export class UnauthorizedError extends ApiError {
  constructor(message: string) {
    super(401, message);
  }
}

/** Someone is signed in, but it is not theirs to do. */
export class ForbiddenError extends ApiError {
  constructor(message: string) {
    super(403, message);
  }
}

/** It cannot be, given what there is already. */
export class ConflictError extends ApiError {
  constructor(message: string) {
    super(409, message);
  }
}

/** The request was understood, but some of its fields cannot be taken. */
export class InvalidInputError extends ApiError {
  /** What is wrong, by field. */
  readonly fields: Readonly<Record<string, string>>;

  constructor(fields: Readonly<Record<string, string>>) {
    super(422, `Check ${Object.keys(fields).join(', ')}.`);
    this.fields = fields;
  }
}
