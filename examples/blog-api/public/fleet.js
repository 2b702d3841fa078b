// All instances, as each tells of itself: for who runs the blog.

import { api } from './api.js';
import { $, ago, guarded, h } from './dom.js';

const dialog = $('fleet');
let timer;

const load = guarded(async () => {
  const { data } = await api('GET', '/instances');
  $('fleet-rows').replaceChildren(...data.map(row));
});

const row = ({ id, version, state = 'unknown', connections = '', started_at }) =>
  h(
    'tr',
    { 'data-testid': 'fleet-row', 'data-state': state },
    h('th', { scope: 'row', title: version }, id),
    h('td', {}, state),
    h('td', {}, connections),
    h('td', {}, started_at === undefined ? '' : ago(started_at)),
  );

$('fleet-open').onclick = () => {
  dialog.showModal();
  load();
  timer = setInterval(load, 2_000);
};
dialog.onclose = () => clearInterval(timer);
