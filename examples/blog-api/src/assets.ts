/** Files that come with the app, beside the folder that this module runs from: `src`, or `dist` once built. */
export const publicFolder = new URL('../public/', import.meta.url);
export const migrationsFolder = new URL('../migrations/', import.meta.url);

/** What the page listens with: the library's client, one file that browsers load as it is. */
export const clientFile = new URL(import.meta.resolve('@pando/core/client'));
