/** What the streams hold, how quickly they grow, and how much room they have. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { bytesText, countText, spanText } from "../core/amount.ts";
import { useAnswer, useShared } from "./hooks.ts";
import type { ListAnswer } from "./items.ts";
import { ratesOf } from "./rates.ts";
import type { Sample } from "./rates.ts";
import { figureText, sinceText } from "./text.ts";

interface StreamItem {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  readonly last_seq: number;
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly max_age_sec: number | null;
  readonly max_bytes: number | null;
  readonly max_messages: number | null;
}

const ASK_EVERY_MS = 2_000;
/** From this much of its room on, a stream is about to drop what is not old yet. */
const FULL = 0.9;

export function StreamTable(): JSX.Element {
  const { live } = useShared();
  const { answer, trouble } = useAnswer<ListAnswer<StreamItem>>(
    "/api/v1/streams",
    {},
    ASK_EVERY_MS,
  );
  const samples = useRef<readonly Sample[]>([]);
  const items = answer?.items ?? [];
  const seqs = new Map(items.map(({ stream, last_seq }) => [stream, last_seq]));
  const [rates, kept] = ratesOf(samples.current, answer?.as_of.time, seqs);
  samples.current = kept;
  if (trouble !== "" && answer === undefined) return <p class="trouble">{trouble}</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Streams">
      <table>
        <thead>
          <tr>
            <th>Stream</th>
            <th class="number">Messages</th>
            <th class="number">Per second</th>
            <th class="number">On disk</th>
            <th class="number">Oldest</th>
            <th class="number">Newest</th>
            <th>Kept</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.stream}>
              <th scope="row">{item.stream}</th>
              <td class="number">{countText(item.messages)}</td>
              <td class="number">{rateText(rates.get(item.stream))}</td>
              <td class={`number ${isFull(item) ? "bad" : ""}`}>{roomText(item)}</td>
              <td class="number">{agoText(item.oldest, live.now())}</td>
              <td class="number">{agoText(item.newest, live.now())}</td>
              <td>{keptText(item)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function rateText(rate: number | undefined): string {
  return rate === undefined ? "…" : figureText(rate);
}

function agoText(time: string | null, now: number): string {
  return time === null ? "–" : `${sinceText(time, now)} ago`;
}

function isFull({ bytes, max_bytes }: StreamItem): boolean {
  return max_bytes !== null && bytes >= max_bytes * FULL;
}

function roomText({ bytes, max_bytes }: StreamItem): string {
  if (max_bytes === null) return bytesText(bytes);
  const percent = Math.floor((100 * bytes) / max_bytes);
  return `${bytesText(bytes)} of ${bytesText(max_bytes)}, ${percent}%`;
}

function keptText({ max_age_sec, max_messages }: StreamItem): string {
  const limits = [
    ...(max_age_sec === null ? [] : [spanText(max_age_sec * 1_000)]),
    ...(max_messages === null ? [] : [`${countText(max_messages)} messages`]),
  ];
  return limits.length === 0 ? "without end" : limits.join(", ");
}
