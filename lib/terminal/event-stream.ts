/** Reads server-sent events. Source: WHATWG HTML, section 9.2, "Server-sent events". */

export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A line longer than any that the API writes is a fault, and not to be kept in memory. */
const MAX_PENDING_CHARS = 64 * 2 ** 20;

export class EventStreamParser {
  #rest = "";
  #id = "";

  /** @returns the events that are complete. @throws RangeError where one never ends. */
  take(chunk: string): StreamEvent[] {
    const blocks = (this.#rest + chunk).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    if (this.#rest.length > MAX_PENDING_CHARS) throw new RangeError("an event without an end");
    return blocks.flatMap((block) => this.#parse(block));
  }

  #parse(block: string): StreamEvent[] {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "event") event = value;
      else if (name === "id") this.#id = value;
      else if (name === "data") data.push(value);
    }
    return data.length === 0 ? [] : [{ id: this.#id, event, data: data.join("\n") }];
  }
}
