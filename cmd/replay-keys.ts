/** The keyboard of an interactive replay. */
import type { ReadStream } from "node:tty";

export type KeyAction =
  | { readonly kind: "pause" | "step" | "faster" | "slower" | "quit" | "change" }
  /** Go on from what was typed. */
  | { readonly kind: "jump"; readonly text: string };

const KEYS: Readonly<Record<string, Exclude<KeyAction["kind"], "jump" | "change">>> = {
  " ": "pause",
  p: "pause",
  n: "step",
  s: "step",
  "\r": "step",
  "\u001B[C": "step",
  "+": "faster",
  "=": "faster",
  f: "faster",
  "\u001B[A": "faster",
  "-": "slower",
  "\u001B[B": "slower",
  q: "quit",
  "\u0003": "quit",
  "\u0004": "quit",
};

const ESCAPE = "\u001B";
const MAX_TYPED_CHARS = 60;
/** An escape sequence, or one character. */
const KEY = /\u001B\[[0-9;]*[A-Za-z~]|[\s\S]/gu;

export class ReplayKeys {
  /** What is typed at the question where to jump; undefined while nothing is asked. */
  typed: string | undefined;
  onAction: (action: KeyAction) => void = () => undefined;
  readonly #input: ReadStream;
  readonly #onData = (chunk: string): void => this.take(chunk);

  constructor(input: ReadStream) {
    this.#input = input;
    input.setRawMode(true);
    input.setEncoding("utf8");
    input.on("data", this.#onData);
    input.resume();
  }

  /** Keys as a terminal sends them, several at once where somebody types fast. */
  take(chunk: string): void {
    for (const [key] of chunk.matchAll(KEY)) {
      if (this.typed === undefined) this.#press(key);
      else this.#type(this.typed, key);
    }
  }

  close(): void {
    this.#input.off("data", this.#onData);
    this.#input.setRawMode(false);
    this.#input.pause();
  }

  #press(key: string): void {
    const kind = KEYS[key];
    if (key === "j") {
      this.typed = "";
      this.onAction({ kind: "change" });
    } else if (kind !== undefined) this.onAction({ kind });
  }

  #type(typed: string, key: string): void {
    if (key === "\u0003") return this.onAction({ kind: "quit" });
    if (key === "\r" || key === "\n") {
      this.typed = undefined;
      return this.onAction(typed === "" ? { kind: "change" } : { kind: "jump", text: typed });
    }
    if (key === ESCAPE) this.typed = undefined;
    else if (key === "\u007F" || key === "\b") this.typed = typed.slice(0, -1);
    else if (key >= " " && key.length === 1) this.typed = (typed + key).slice(0, MAX_TYPED_CHARS);
    this.onAction({ kind: "change" });
  }
}
