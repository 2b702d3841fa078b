/** The other instance of a cache: does what the contender asks for. */
import { instances, stampede, untilReplaced } from './cache-instances.mjs';

const [kind, redisUrl] = process.argv.slice(2);
// Whoever started this process is gone: nothing here is worth an orderly end.
process.on('disconnect', () => process.exit());

const instance = await instances[kind](redisUrl);
const tell = (name, value) => process.send({ name, value });

process.on('message', async ({ stampedeOn, watch }) => {
  if (stampedeOn !== undefined) tell('loads', await stampede(instance, stampedeOn));
  if (watch !== undefined)
    tell('replaced', String(await untilReplaced(instance, watch, () => tell('begun'))));
});
tell('ready');
