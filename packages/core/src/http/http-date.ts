const days = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun';
const months = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
const time = '\\d\\d:\\d\\d:\\d\\d';

/** The three forms of a date that recipients must understand (RFC 9110, 5.6.7). Only the last one leaves out that it is GMT. */
const forms = [
  `(?:${days}), \\d\\d (?:${months}) \\d{4} ${time} GMT`,
  `\\w{6,9}, \\d\\d-(?:${months})-\\d\\d ${time} GMT`,
];
const dated = new RegExp(`^(?:${forms.join('|')})$`);
const bare = new RegExp(`^(?:${days}) (?:${months}) [ \\d]\\d ${time} \\d{4}$`);

/** The instant that a header names, as epoch ms; undefined for what is no date. */
export function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = dated.test(text) ? Date.parse(text) : bare.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
