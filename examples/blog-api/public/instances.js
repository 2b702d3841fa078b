// Which instance answered: somebody who is curious can watch, and nobody else has to care.

import { $, h } from './dom.js';

const remembered = 12;

let answers = []; // the latest first
let holder; // of the stream

/** An instance has answered a request. */
export function showAnswer(name) {
  if (name === null) return;
  answers = [name, ...answers].slice(0, remembered);
  show();
}

const words = { connecting: 'Connecting', live: 'Live', lost: 'Reconnecting' };

/** How the stream of events is, and on which instance. */
export function showStream(state, instance) {
  holder = instance ?? undefined;
  $('live').dataset.state = state;
  $('live-text').textContent = words[state];
  show();
}

function show() {
  // Sorted, so that an instance has the same colour in every window.
  const names = [...new Set(holder === undefined ? answers : [...answers, holder])].sort();
  const tone = (name) => h('i', { class: 'dot', 'data-tone': names.indexOf(name) % 5 });
  $('live-on').textContent = holder ?? '';
  $('trail').replaceChildren(...answers.toReversed().map(tone));
  const seen = names.filter((name) => answers.includes(name));
  $('answers').replaceChildren(
    ...seen.map((name) =>
      h(
        'li',
        {
          class: 'chip',
          'data-testid': 'instance',
          'aria-current': name === answers[0] ? 'true' : undefined,
        },
        tone(name),
        name,
      ),
    ),
  );
}
