/** What the scripts of this folder find out. They do what scripts of other bots do that work on the real pages. */

window.foreign = {
  faults: [],
  sockets: [],
  localSocket: "",
  descriptions: [],
  tracks: [],
  messages: {},
  people: {},
  sources: {},
  captions: [],
  chat: [],
  calls: [],
  speech: [],
  outlined: [],
};

/**
 * Notes what breaks a reader, which a real script would not survive.
 * @param {string} reader
 * @param {() => unknown} read
 */
async function foreignRead(reader, read) {
  try {
    await read();
  } catch (error) {
    const fault = `${reader}: ${error}`;
    if (!window.foreign.faults.includes(fault)) window.foreign.faults.push(fault);
  }
}
