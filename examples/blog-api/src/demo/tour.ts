import type { Fleet } from './fleet.js';
import type { Instance } from './instance.js';
import { openStream } from './stream.js';

const tokenHeader = 'pando-token-blog';

/** Shows what the fleet does as one, and rejects when it does not. */
export async function showTour(fleet: Fleet, print: (line: string) => void): Promise<void> {
  await showTurns(fleet, print);
  const streams = await Promise.all(
    fleet.instances.map(({ url }) => openStream(`${url}/api/notifications/sse`)),
  );
  try {
    const publishedAt = await showWrite(fleet, print);
    print('\nPublished by one instance, received from all');
    for (const [index, stream] of streams.entries()) {
      const { data, at } = await stream.first;
      print(
        `  ${nameOf(fleet.instances[index])} ${(at - publishedAt).toFixed(1).padStart(5)} ms after it was sent: ${data}`,
      );
    }
  } finally {
    for (const stream of streams) stream.close();
  }
}

async function showTurns({ url, instances }: Fleet, print: (line: string) => void): Promise<void> {
  print('\nWho answers');
  for (const _ of [...instances, 'and the first again']) {
    const { answer, tookMs } = await timed(() => fetch(`${url}/api/v1/posts`));
    await answer.arrayBuffer();
    print(`  GET  /api/v1/posts     ${answer.status}  ${nameOf(answer)} ${tookMs} ms`);
  }
}

/** Returns when the post was sent, by the clock of `performance.now()`. */
async function showWrite({ instances }: Fleet, print: (line: string) => void): Promise<number> {
  const [writer, ...others] = instances as [Instance, ...Instance[]];
  const visitor = {
    email: `visitor-${Date.now()}@example.com`,
    name: 'The demo',
    password: crypto.randomUUID(),
  };
  const registered = await post(`${writer.url}/api/auth/register`, visitor);
  const { token: session } = (await registered.json()) as { readonly token: string };

  print('\nWritten by one instance, read at once from the others and from the replicas');
  const draft = { title: 'Hello from the demo', body: 'Written by one instance, and everywhere at once.' };
  const sentAt = performance.now();
  const written = await timed(() => post(`${writer.url}/api/v1/posts`, draft, session));
  const { id } = (await written.answer.json()) as { readonly id: number };
  print(`  POST /api/v1/posts     ${written.answer.status}  ${nameOf(written.answer)} ${written.tookMs} ms`);

  // A browser returns this by itself, as a cookie.
  const headers = { [tokenHeader]: written.answer.headers.get(tokenHeader) ?? '' };
  for (const reader of [...others, writer]) {
    const { answer, tookMs } = await timed(() => fetch(`${reader.url}/api/v1/posts/${id}`, { headers }));
    const { title } = (await answer.json()) as { readonly title?: string };
    if (title !== draft.title)
      throw new Error(`${reader.name} does not know the post yet: HTTP ${answer.status}.`);
    print(`  GET  /api/v1/posts/${id}   ${answer.status}  ${nameOf(answer)} ${tookMs} ms`);
  }
  return sentAt;
}

async function post(url: string, body: object, session?: string): Promise<Response> {
  const authorization = session === undefined ? {} : { authorization: `Bearer ${session}` };
  const headers = { 'content-type': 'application/json', ...authorization };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`POST ${url} was answered with ${answer.status}: ${await answer.text()}`);
  return answer;
}

async function timed(
  send: () => Promise<Response>,
): Promise<{ readonly answer: Response; readonly tookMs: string }> {
  const beganAt = performance.now();
  const answer = await send();
  return { answer, tookMs: (performance.now() - beganAt).toFixed(1).padStart(5) };
}

function nameOf(who: Response | Instance | undefined): string {
  const name = who instanceof Response ? who.headers.get('x-pando-instance') : who?.name;
  return (name ?? '?').padEnd(10);
}
