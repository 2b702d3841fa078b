#!/usr/bin/env node
import { runCli } from './run-cli.js';

process.stdout.on('error', () => undefined); // whoever read it has seen enough: head, less

process.exitCode = await runCli(process.argv.slice(2), {
  write: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
  isColoured: process.stdout.isTTY && process.stdout.hasColors(),
  columns: process.stdout.columns,
});
