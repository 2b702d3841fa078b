/** Files that come with the app, beside the folder that this module runs from: `src`, or `dist` once built. */
export const publicFolder = new URL('../public/', import.meta.url);
export const migrationsFolder = new URL('../migrations/', import.meta.url);

const client = import.meta.resolve('@pando/core/client');

/** What the page listens with: the library's client, which browsers load as it is, and what that loads where tabs share. */
export const clientFiles = { 'pando-client.js': new URL(client), 'tabs.js': new URL('tabs.js', client) };
