import { createRequire } from 'node:module';
import express from 'express';

const load = createRequire(import.meta.url);

/**
 * Every version that is tested, by the name under which it is installed.
 *
 * The types of both majors exclude each other, and values of the older ones are used as if they were of the newest.
 */
export const frameworks = Object.freeze({
  express,
  express4: load('express4') as typeof express,
  'express5-lowest': load('express5-lowest') as typeof express,
  'express-lowest': load('express-lowest') as typeof express,
});
