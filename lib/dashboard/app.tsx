/** The frame of every page: where one is, how fresh it all is, and of which moment. */
import type { JSX } from "preact";
import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import { KeyNeeded } from "./api-client.ts";
import { AlertsPage } from "./alerts-page.tsx";
import { EventsPage } from "./events-page.tsx";
import { FleetPage } from "./fleet-page.tsx";
import { Freshness, StaleBanner } from "./freshness.tsx";
import { HelpDialog, HELP_ID } from "./help-dialog.tsx";
import { placeOf, SharedContext, useShared } from "./hooks.ts";
import type { Shared } from "./hooks.ts";
import { KeyForm } from "./key-form.tsx";
import { listenToKeys } from "./keyboard.ts";
import type { LiveFleet } from "./live-fleet.ts";
import { Link } from "./marks.tsx";
import { loadPast, scopeOf } from "./past-fleet.ts";
import type { PastFleet } from "./past-fleet.ts";
import { PipelinePage } from "./pipeline-page.tsx";
import { parsePlace, placeText } from "./place.ts";
import type { Page, Place } from "./place.ts";
import { RunnerPage } from "./runner-page.tsx";
import { ThemeButton } from "./theme.tsx";
import { PastBanner, TimeBar } from "./time-bar.tsx";

const PAGES: readonly (readonly [word: string, page: Page])[] = [
  ["Fleet", { name: "fleet" }],
  ["Events", { name: "events" }],
  ["Alerts", { name: "alerts" }],
  ["Pipeline", { name: "pipeline" }],
];

export function App({ live }: { readonly live: LiveFleet }): JSX.Element {
  const [place, go] = usePlace();
  const past = usePast(place);
  const [hasTimeBar, setTimeBar] = useState(place.at !== undefined);
  const shared: Shared = useMemo(() => {
    const fleet = place.at === undefined ? live : (past.fleet ?? EMPTY_FLEET);
    return { place, fleet, live, go };
  }, [place, past.fleet, live, go]);
  useEffect(() => listenToKeys(shared), [shared]);
  return (
    <SharedContext.Provider value={shared}>
      <div class="page">
        <header>
          <span class="name">Runbeat</span>
          <Navigation />
          <Freshness />
          <button type="button" aria-pressed={hasTimeBar} onClick={() => setTimeBar(!hasTimeBar)}>
            Time
          </button>
          <ThemeButton />
          <button type="button" aria-label="Keys" onClick={showHelp}>
            ?
          </button>
        </header>
        <StaleBanner />
        <PastBanner trouble={past.trouble} isLoading={past.isLoading} />
        {(hasTimeBar || place.at !== undefined) && <TimeBar isLoading={past.isLoading} />}
        <KeyForm />
        <Content page={place.page} />
        <HelpDialog />
      </div>
    </SharedContext.Provider>
  );
}

function showHelp(): void {
  const dialog = document.getElementById(HELP_ID) as HTMLDialogElement | null;
  dialog?.showModal();
}

const EMPTY_FLEET: PastFleet = {
  at: 0,
  scope: "none",
  runners: new Map(),
  summary: undefined,
  events: [],
  now: () => 0,
};

function Navigation(): JSX.Element {
  const shared = useShared();
  const { page } = shared.place;
  return (
    <nav aria-label="Pages">
      {PAGES.map(([word, to]) => (
        <Link key={word} to={placeOf(shared, to)} isCurrent={to.name === page.name}>
          {word}
        </Link>
      ))}
    </nav>
  );
}

function Content({ page }: { readonly page: Page }): JSX.Element {
  switch (page.name) {
    case "fleet":
      return <FleetPage />;
    case "runner":
      return <RunnerPage key={page.runner} runner={page.runner} />;
    case "alerts":
      return <AlertsPage />;
    case "events":
      return <EventsPage />;
    case "pipeline":
      return <PipelinePage />;
    case "nowhere":
      return (
        <main>
          <h1>Nothing is here</h1>
          <p>There is no page {page.path}.</p>
        </main>
      );
  }
}

/** The place that the address names, and how to go elsewhere. */
function usePlace(): [Place, Shared["go"]] {
  const [place, setPlace] = useState(() => parsePlace(location));
  useEffect(() => {
    const take = (): void => setPlace(parsePlace(location));
    addEventListener("popstate", take);
    return () => removeEventListener("popstate", take);
  }, []);
  const go = useMemo(
    () =>
      (change: Partial<Place>, replace = false): void => {
        const to = { ...parsePlace(location), ...change };
        history[replace ? "replaceState" : "pushState"](null, "", placeText(to));
        setPlace(to);
        if (change.page !== undefined) scrollTo(0, 0);
      },
    [],
  );
  useEffect(() => {
    document.title = `${titleOf(place.page)} · Runbeat`;
  }, [place]);
  return [place, go];
}

function titleOf(page: Page): string {
  if (page.name === "runner") return page.runner;
  return PAGES.find(([, { name }]) => name === page.name)?.[0] ?? "Nothing is here";
}

/** The fleet of a moment; the one before stays until the next is there. */
function usePast({ at, page }: Place): {
  fleet: PastFleet | undefined;
  trouble: string;
  isLoading: boolean;
} {
  const [state, setState] = useState<{ fleet: PastFleet | undefined; trouble: string }>({
    fleet: undefined,
    trouble: "",
  });
  const [asked, ask] = useReducer((_: number | undefined, to: number | undefined) => to, undefined);
  const scope = scopeOf(page);
  const known = state.fleet;
  const isWhole = known?.scope === "all" || known?.scope === scope;
  useEffect(() => {
    if (at === undefined) {
      setState({ fleet: undefined, trouble: "" });
      return undefined;
    }
    if (known?.at === at && isWhole) return undefined;
    const abort = new AbortController();
    ask(at);
    loadPast(at, scope, abort.signal)
      .then((fleet) => setState({ fleet, trouble: "" }))
      .catch((error: unknown) => {
        if (abort.signal.aborted || error instanceof KeyNeeded) return;
        setState({ fleet: undefined, trouble: (error as Error).message });
      })
      .finally(() => {
        if (!abort.signal.aborted) ask(undefined);
      });
    return () => abort.abort();
  }, [at, scope]);
  // A fleet of one runner is not to be taken for all of it.
  return { ...state, fleet: isWhole ? known : undefined, isLoading: asked !== undefined };
}
