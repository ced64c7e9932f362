/** Reads Meet's participants, chat and captions from data channels and from the answers of its RPC, each message as a whole. */

(() => {
  const STATUS = /** @type {Record<number, string>} */ ({ 1: "in", 6: "left", 7: "removed" });
  /** @type {ForeignSchema} */
  const USER = {
    1: ["deviceId", "text"],
    2: ["fullName", "text"],
    3: ["picture", "text"],
    4: ["status", "number"],
    7: ["isSelf", "text"],
    21: ["parentDeviceId", "text"],
    29: ["displayName", "text"],
    34: ["isHost", "number"],
  };
  /** @type {ForeignSchema} */
  const OUTPUT = {
    2: ["kind", "number"],
    4: ["streamId", "text"],
    6: ["deviceId", "text"],
    10: ["status", { 1: ["disabled", "number"] }],
  };
  /** @type {ForeignSchema} */
  const LINE = {
    1: ["messageId", "text"],
    2: ["deviceId", "text"],
    3: ["at", "number"],
    5: ["body", { 1: ["text", "text"] }],
  };
  /** @type {ForeignSchema} */
  const COLLECTIONS = {
    1: [
      "envelope",
      {
        2: [
          "collections",
          {
            3: ["outputs", { 2: ["list", OUTPUT, "repeated"] }],
            13: [
              "space",
              {
                1: ["users", { 2: ["list", USER, "repeated"] }],
                4: ["chat", { 2: ["line", LINE] }, "repeated"],
              },
            ],
          },
        ],
      },
    ],
  };
  /** @type {ForeignSchema} */
  const SYNC = { 2: ["space", { 2: ["users", { 2: ["list", USER, "repeated"] }] }] };
  /** @type {ForeignSchema} */
  const CAPTION = {
    1: [
      "caption",
      {
        1: ["deviceId", "text"],
        2: ["captionId", "number"],
        3: ["version", "number"],
        4: ["isFinal", "number"],
        6: ["text", "text"],
        8: ["languageId", "number"],
      },
    ],
  };

  /** @param {any[]} users */
  function noteUsers(users) {
    for (const { deviceId, fullName, displayName, status, isSelf } of users) {
      const name = displayName || fullName;
      window.foreign.people[deviceId] = { name, isSelf: isSelf !== undefined, status: STATUS[status] };
    }
  }

  /** @param {ArrayBuffer} data gzip or a zlib stream */
  async function inflated(data) {
    const format = new Uint8Array(data)[0] === 0x1f ? "gzip" : "deflate";
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream(format));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  foreignChannelReaders.push(async (label, data) => {
    if (label === "captions") {
      const { caption } = ForeignProtobuf.read(new Uint8Array(data), CAPTION);
      window.foreign.captions.push({ who: caption.deviceId, text: caption.text });
    }
    if (label !== "collections") return;
    const { collections } = ForeignProtobuf.read(await inflated(data), COLLECTIONS).envelope;
    for (const output of collections.outputs?.list ?? []) {
      const isMuted = Boolean(output.status.disabled);
      if (output.kind === 1 && !isMuted) window.foreign.sources[output.streamId] = output.deviceId;
    }
    noteUsers(collections.space?.users?.list ?? []);
    for (const { line } of collections.space?.chat ?? []) window.foreign.chat.push(line.body.text);
  });

  const original = window.fetch;
  window.fetch = async (...request) => {
    const response = await original(...request);
    if (response.url.endsWith("/SyncMeetingSpaceCollections")) {
      const copy = response.clone();
      void foreignRead("RPC", async () => {
        const bytes = Uint8Array.from(atob(await copy.text()), (letter) => letter.charCodeAt(0));
        noteUsers(ForeignProtobuf.read(bytes, SYNC).space?.users?.list ?? []);
      });
    }
    return response;
  };
})();
