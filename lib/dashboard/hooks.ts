/** What components share: the place, the passing of time, and answers of the API. */
import { createContext } from "preact";
import { useContext, useEffect, useReducer, useRef, useState } from "preact/hooks";
import { askApi, KeyNeeded } from "./api-client.ts";
import type { QueryValues } from "./api-client.ts";
import type { FleetData } from "./items.ts";
import type { LiveFleet } from "./live-fleet.ts";
import type { FleetQuery, Page, Place } from "./place.ts";

export interface Shared {
  readonly place: Place;
  /** What is shown: the present, or the moment of the place. */
  readonly fleet: FleetData;
  readonly live: LiveFleet;
  /** @param replace without a step in the browser's history. */
  go(change: Partial<Place>, replace?: boolean): void;
}

export const SharedContext = createContext<Shared | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === undefined) throw new Error("a component is outside of the page");
  return shared;
}

/** Renders again every so many ms, as long as somebody looks. */
export function useTick(everyMs: number): void {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) render(0);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}

export interface Answered<Answer> {
  readonly answer: Answer | undefined;
  readonly trouble: string;
}

/**
 * Asks the API, again when what is asked for changes and every so often. The last answer stays
 * while the next one is on its way.
 * @param path null asks nothing.
 */
export function useAnswer<Answer>(
  path: string | null,
  query: QueryValues,
  everyMs: number | undefined,
): Answered<Answer> {
  const [state, setState] = useState<Answered<Answer>>({ answer: undefined, trouble: "" });
  const wanted = JSON.stringify([path, query]);
  const shown = useRef("");
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const answer = await askApi<Answer>(path, query, abort.signal);
        shown.current = path;
        setState({ answer, trouble: "" });
      } catch (error) {
        if (abort.signal.aborted || error instanceof KeyNeeded) return;
        const trouble = error instanceof TypeError ? "Nothing answers." : (error as Error).message;
        setState(({ answer }) => ({
          answer: shown.current === path ? answer : undefined,
          trouble,
        }));
      }
    };
    void ask();
    const timer = everyMs === undefined ? undefined : setInterval(() => void ask(), everyMs);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [wanted, everyMs]);
  return state;
}

/** Where a link leads, keeping the moment that is shown. */
export function placeOf({ place }: Shared, page: Page, query?: Partial<FleetQuery>): Place {
  return { ...place, page, query: { ...place.query, ...query } };
}

/** Whether the page is narrow, as on a phone. */
export function useNarrow(): boolean {
  const [isNarrow, setNarrow] = useState(() => matchMedia("(max-width: 720px)").matches);
  useEffect(() => {
    const media = matchMedia("(max-width: 720px)");
    const take = (): void => setNarrow(media.matches);
    media.addEventListener("change", take);
    return () => media.removeEventListener("change", take);
  }, []);
  return isNarrow;
}
