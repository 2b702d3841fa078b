import type { Instrument } from '../kernel/meter.js';
