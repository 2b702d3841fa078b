const maxLength = 500;

/** What a check says, fit to be shown: one line, not endless, and without what a connection string hides. */
export function shownDetail(detail: string): string {
  return detail
    .slice(0, 4 * maxLength) // a page of HTML, say
    .replace(/\/\/\S*@/g, '//…@') // a password may hold slashes
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxLength);
}
