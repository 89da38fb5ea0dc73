/** Asks the read API. The read key, where one is needed, lives as long as the tab. */

const KEY_ITEM = "runbeat.read-key";

/** A read key is missing or wrong. */
export class KeyNeeded extends Error {}

/** An answer that is no good; the message is the API's own. */
export class ApiProblem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function readKey(): string | null {
  return sessionStorage.getItem(KEY_ITEM);
}

export function setReadKey(key: string): void {
  sessionStorage.setItem(KEY_ITEM, key);
}

export function keyHeaders(): Record<string, string> {
  const key = readKey();
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** @throws KeyNeeded, ApiProblem; TypeError where nothing answers. */
export async function checkAnswer(response: Response): Promise<Response> {
  if (response.ok) return response;
  if (response.status === 401) throw new KeyNeeded("This Runbeat asks for its read key.");
  if (response.status === 403) throw new KeyNeeded("That is not the read key of this Runbeat.");
  const body = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
  const said = body.detail ?? body.title ?? `The API answered ${response.status}`;
  throw new ApiProblem(response.status, said);
}

export type QueryValues = Readonly<Record<string, string | number | null | undefined>>;

/** What a read route answers. @param query values that are null or undefined are left out. */
export async function askApi<Answer>(
  path: string,
  query: QueryValues,
  signal?: AbortSignal,
): Promise<Answer> {
  const given = Object.entries(query).filter(([, value]) => value != null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const response = await fetch(text === "" ? path : `${path}?${text}`, {
    headers: keyHeaders(),
    ...(signal === undefined ? {} : { signal }),
  });
  return (await (await checkAnswer(response)).json()) as Answer;
}
