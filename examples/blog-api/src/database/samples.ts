/** A post of the sample content. */
export interface SamplePost {
  readonly author: string;
  readonly title: string;
  readonly body: string;
  readonly hoursAgo: number;
  readonly comments: readonly { readonly author: string; readonly body: string }[];
  /** Names of authors. */
  readonly likedBy: readonly string[];
}

/** They have no password: nobody can sign in as one of them. */
export const sampleAuthors = ['Ada', 'Edsger', 'Grace'];

/** The oldest first. */
export const samplePosts: readonly SamplePost[] = [
  {
    author: 'Grace',
    title: 'The oldest program still running',
    body: `In Utah stands a forest of forty-seven thousand aspen trunks. Every one of them is the same tree: one seed, one set of genes, one root system under forty-three hectares. Its name is Pando, Latin for “I spread”.

A trunk lives for a hundred years or so and falls. The tree has been there for thousands. Whoever runs more than one instance of anything should go and look at it.`,
    hoursAgo: 76,
    comments: [
      { author: 'Ada', body: 'Rolling restarts, with a grace period of a century.' },
      { author: 'Edsger', body: 'And no leader election, as far as anyone can tell.' },
    ],
    likedBy: ['Ada', 'Edsger'],
  },
  {
    author: 'Edsger',
    title: 'Reading your own writes',
    body: `You save a post. The answer says 200. You load the page, and the old text is back: the request went to another instance, which asked a replica that had not heard yet.

Nothing is broken, every part did what it promises, and still the whole lied to you. Consistency is not a property of the parts. It has to be carried from one to the next, and handed back to whoever asks.`,
    hoursAgo: 51,
    comments: [
      { author: 'Grace', body: 'Try it here: edit a post and reload. Then look at which instance answered.' },
    ],
    likedBy: ['Ada', 'Grace'],
  },
  {
    author: 'Ada',
    title: 'An event is a promise',
    body: `“Something changed” arrives in the browser within a few milliseconds. The browser does the obvious thing: it fetches what changed. If that fetch is answered from a cache that has not heard the news, the event was a lie, and nobody will ever send it again.

So an event has to carry the proof of what it announces, and the reader has to show it when it asks.`,
    hoursAgo: 27,
    comments: [],
    likedBy: ['Grace'],
  },
  {
    author: 'Grace',
    title: 'Leaving politely',
    body: `An instance that has to go says so first: it stops being ready, and goes on serving until the balancer has noticed. Then it tells its streams to move, and they resume elsewhere from where they were. Then it lets the last request finish. Then it goes.

Nobody out there saw a thing. That is the whole point.`,
    hoursAgo: 9,
    comments: [{ author: 'Edsger', body: 'Press Ctrl-C on one instance of the demo and watch the others.' }],
    likedBy: ['Ada', 'Edsger'],
  },
  {
    author: 'Ada',
    title: 'Welcome',
    body: `This is a small blog with everything that is hard on more than one machine: live notifications, a chat for each post, caches that never bring old values back, limits that hold for all instances together.

Register, write something, and open this page in a second window. Each post has a chat: say hello.`,
    hoursAgo: 1,
    comments: [{ author: 'Grace', body: 'First!' }],
    likedBy: ['Edsger', 'Grace'],
  },
];
