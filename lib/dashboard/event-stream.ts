/** Reads server-sent events. Source: WHATWG HTML, section 9.2.6, "Interpreting an event stream". */

export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Takes text as it arrives, in pieces of any length, and gives the events that are whole. */
export class EventStreamReader {
  private rest = "";

  take(text: string): StreamEvent[] {
    const blocks = (this.rest + text).split("\n\n");
    this.rest = blocks.pop() ?? "";
    return blocks.map(parseBlock).filter((event) => event !== undefined);
  }
}

/** Undefined for a comment. */
function parseBlock(block: string): StreamEvent | undefined {
  const fields: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    fields[name] = fields[name] === undefined ? value : `${fields[name]}\n${value}`;
  }
  const { id = "", event = "message", data } = fields;
  return data === undefined ? undefined : { id, event, data };
}
