/** Replaces WebSocket by a bare function, without its constants, to read along. */

/** @type {((url: string, data: string) => unknown)[]} */
const foreignSocketReaders = [];

(() => {
  const Original = window.WebSocket;
  /** @param {string | URL} url @param {string | string[]} [protocols] */
  function wrapped(url, protocols) {
    const socket = protocols === undefined ? new Original(url) : new Original(url, protocols);
    window.foreign.sockets.push(String(url));
    socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return;
      for (const reader of foreignSocketReaders) void foreignRead("socket", () => reader(String(url), data));
    });
    return socket;
  }
  window.WebSocket = /** @type {any} */ (wrapped);
})();
