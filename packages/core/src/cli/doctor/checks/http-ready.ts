import { type Check, fine, problem, unknown } from '../check.js';
import type { HttpServer } from '../http-server.js';
import { placeOf } from '../words.js';

/** Whether those who get requests say that they are ready for them. */
export const httpReady: Check<HttpServer> = {
  name: 'http.ready',
  why: 'A balancer takes an instance out that is not ready; an answer from a cache says nothing.',
  examine({ answers, failures, readyPath }) {
    const strange = answers.find(({ headers }) => headers['x-pando-instance'] === undefined);
    if (strange !== undefined && strange.status >= 500)
      return [
        problem(
          `${readyPath} is answered with ${strange.status}, and not by Pando`,
          'See that instances run, are ready, and are known to what stands before them.',
        ),
      ];
    const location = strange?.headers.location;
    if (location !== undefined)
      return [
        unknown(
          `${readyPath} leads elsewhere, with ${strange?.status}, to ${placeOf(location, 443)}`,
          'Name the URL behind it.',
        ),
      ];
    if (strange !== undefined)
      return [
        unknown(
          `${readyPath} is answered with ${strange.status}, and not by Pando`,
          'Give the path of readiness with --ready-path, below which context() is mounted.',
        ),
      ];
    const age = answers.find(({ headers }) => Number(headers.age ?? 0) > 0)?.headers.age;
    if (age !== undefined)
      return [
        problem(
          `an answer of ${readyPath} came from a cache, ${age} s old`,
          'Let nothing store what says no-store.',
        ),
      ];
    if (failures.length > 0)
      return [
        problem(
          `${failures.length} of ${answers.length + failures.length} requests came to nothing: ${failures[0]}`,
          'See which instances the balancer has that do not answer.',
        ),
      ];
    const away = answers.filter(({ status }) => status !== 200);
    if (away.length === 0)
      return [
        fine(
          `ready, ${answers.length === 1 ? 'asked once' : `${answers.length} times of ${answers.length}`}`,
        ),
      ];
    const ids = [...new Set(away.map(({ headers }) => headers['x-pando-instance']))].join(', ');
    return [
      problem(
        `${away.length} of ${answers.length} answers were ${away[0]?.status}, from ${ids}`,
        'Have the balancer ask for readiness; look at /health of that instance for what is missing.',
      ),
    ];
  },
};
