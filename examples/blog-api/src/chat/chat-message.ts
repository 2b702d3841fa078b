/** Of one message, in characters. */
export const maxChatLength = 2_000;

/** What a client may send, or why not. */
export type ChatInput = { readonly text: string } | { readonly complaint: string };

/** Reads what a client sent: the text itself, or `{"text": "…"}`. */
export function readChatInput(data: string): ChatInput {
  const text = textOf(data).trim();
  if (text === '') return { complaint: 'Say something.' };
  if (text.length > maxChatLength) return { complaint: `A message has at most ${maxChatLength} characters.` };
  return { text };
}

function textOf(data: string): string {
  if (!data.trimStart().startsWith('{')) return data;
  try {
    const { text } = JSON.parse(data) as { readonly text?: unknown };
    return typeof text === 'string' ? text : '';
  } catch {
    return data; // someone who begins a sentence with a brace
  }
}
