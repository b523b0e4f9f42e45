// Server-sent events.
// In: pieces of bytes as the network cuts them. Out: events, one by one.
// Why our own: Node has no EventSource that says from which event to go on.

export type ServerEvent = {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
};

export async function* eventsOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of pieces) {
    rest += decoder.decode(piece, { stream: true }).replaceAll('\r', '');
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event) yield event;
    }
  }
}

/** Comments and blocks without data are no events. */
function parseEvent(block: string): ServerEvent | undefined {
  let event = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event = value!;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value!);
  }
  return data.length === 0 ? undefined : { event, id, data: data.join('\n') };
}
