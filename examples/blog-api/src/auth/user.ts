/** Who is asking, as the session says. */
export interface User {
  readonly id: number;
  readonly email: string;
  readonly name: string;
}
