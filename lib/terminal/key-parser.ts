/** What a terminal in raw mode sends, as keys. Source: ECMA-48 and the xterm control sequences. */

/** A name such as `up` or `enter`, or the character itself. */
export type Key = string;

const ESCAPE = "\u001B";

const NAMES: Readonly<Record<string, Key>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\u007F": "backspace",
  "\b": "backspace",
  "\u0003": "ctrl-c",
  "\u0004": "ctrl-d",
  "\u000C": "ctrl-l",
  "\u0015": "ctrl-u",
  "\u001A": "ctrl-z",
  [ESCAPE]: "escape",
};

const FINALS: Readonly<Record<string, Key>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
};

const TILDES: Readonly<Record<string, Key>> = {
  "1": "home",
  "3": "delete",
  "4": "end",
  "5": "page-up",
  "6": "page-down",
  "7": "home",
  "8": "end",
};

/** A whole sequence, the beginning of one at the very end, or one character. */
const TOKEN = /\u001B(?:\[|O)[0-9;]*(?:[A-Za-z~]|$)|[\s\S]/gu;
const SEQUENCE = /^\u001B(?:\[|O)([0-9;]*)([A-Za-z~])$/;

/** Splits what comes in, which may hold several keys, or end within one. */
export class KeyParser {
  #rest = "";

  /** @returns the keys of what has come, without what nobody knows. */
  take(chunk: string): Key[] {
    const keys: Key[] = [];
    const text = this.#rest + chunk;
    this.#rest = "";
    for (const [token] of text.matchAll(TOKEN)) {
      // Alone, the key is Escape: a terminal sends a sequence in one piece, or at least its bracket.
      if (/^\u001B[[O][0-9;]*$/.test(token)) this.#rest = token;
      else keys.push(...keyOf(token));
    }
    return keys;
  }
}

function keyOf(token: string): Key[] {
  const known = NAMES[token];
  if (known !== undefined) return [known];
  const [, number = "", final = ""] = SEQUENCE.exec(token) ?? [];
  if (final === "~") return present(TILDES[number.split(";")[0] ?? ""]);
  if (final !== "") return present(FINALS[final]);
  return token >= " " ? [token] : [];
}

function present(key: Key | undefined): Key[] {
  return key === undefined ? [] : [key];
}
