/** A Lua script, imported as its text. */
declare module '*.lua' {
  const source: string;
  export default source;
}
