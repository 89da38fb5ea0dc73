/** Reads a request's body as JSON, within a limit, whatever the client says about it. */
import type { Context } from "hono";
import { AppError, messageOf } from "../core/errors.ts";
import { problem } from "./problem.ts";
import type { ProblemCode } from "./problem.ts";

export type JsonBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly answer: Response };

const JSON_TYPE = /^application\/([a-z0-9.+-]+\+)?json$/i;

function refuse(c: Context, code: ProblemCode, detail: string): JsonBody {
  // What is left of the body is not read: the connection can't be used again.
  const headers = code === "too_large" ? { connection: "close" } : {};
  return { ok: false, answer: problem(c, code, detail, headers) };
}

export async function readJson(c: Context, maxBytes: number): Promise<JsonBody> {
  const [type = ""] = (c.req.header("content-type") ?? "").split(";");
  if (type !== "" && !JSON_TYPE.test(type.trim())) {
    const detail = `The body is ${type.trim()}, but only application/json is taken`;
    return refuse(c, "unsupported_media_type", detail);
  }
  const encoding = c.req.header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    const detail = `The body is encoded as ${encoding}: send it as it is`;
    return refuse(c, "unsupported_media_type", detail);
  }
  const bytes = await readBytes(c, maxBytes);
  if (bytes === undefined) {
    return refuse(c, "too_large", `The body is longer than the ${maxBytes} bytes that are taken`);
  }
  return parse(c, bytes);
}

function parse(c: Context, bytes: Uint8Array): JsonBody {
  if (bytes.length === 0) return refuse(c, "invalid_json", "The body is empty: send a JSON object");
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    return refuse(c, "invalid_json", `The body can't be read: ${messageOf(error)}`);
  }
}

/** Undefined where there is more than is taken; then the rest is not read. */
async function readBytes(c: Context, maxBytes: number): Promise<Uint8Array | undefined> {
  const declared = Number(c.req.header("content-length") ?? "NaN");
  if (declared > maxBytes) return undefined;
  const { body } = c.req.raw;
  if (body === null) return new Uint8Array();
  try {
    // A declared length is held by the HTTP parser; what comes in chunks is counted here.
    if (declared >= 0) return new Uint8Array(await c.req.arrayBuffer());
    return await readChunks(body, maxBytes);
  } catch (error) {
    throw new AppError("invalid", `The body did not arrive: ${messageOf(error)}`, { cause: error });
  }
}

async function readChunks(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
