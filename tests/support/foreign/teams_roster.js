/** Reads Teams' participants from the frames on the page's sockets, and what the `main-channel` says. */

(() => {
  const REQUEST = "3:::";

  /** @param {string} body base64, gzip or a zlib stream */
  async function unpacked(body) {
    const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(bytes[0] === 0x1f ? "gzip" : "deflate"));
    return new Response(stream).json();
  }

  foreignSocketReaders.push(async (url, data) => {
    if (!url.includes("trouter") || !data.startsWith(REQUEST)) return;
    const request = JSON.parse(data.slice(REQUEST.length));
    if (!request.url.endsWith("rosterUpdate/")) return;
    window.foreign.calls.push(request.headers["X-Microsoft-Skype-Chain-ID"]);
    const { participants } = await unpacked(request.body);
    for (const { details, state, endpoints = {} } of Object.values(participants)) {
      const known = window.foreign.people[details.id];
      const name = details.displayName ?? known?.name ?? "";
      const waits = Object.values(endpoints).some(({ call, lobby }) => lobby && !call);
      const status = state !== "active" ? "left" : waits ? "waits" : "in";
      window.foreign.people[details.id] = { name, isSelf: false, status };
    }
  });

  foreignChannelReaders.push((label, data) => {
    if (label !== "main-channel") return;
    const bytes = new Uint8Array(data);
    const start = bytes.findIndex((byte) => byte === 0x5b || byte === 0x7b);
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start)));
    const { recognitionResults = [] } = Array.isArray(value) ? {} : value;
    for (const { userId, text } of recognitionResults) window.foreign.captions.push({ who: userId, text });
  });
})();
