/** Asks before something is changed, says what will happen, and then how it went. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { KeyNeeded } from "./api-client.ts";
import { useAnswer } from "./hooks.ts";
import { askFor, keyed, operateKey, operatorName } from "./operate-client.ts";
import { setOperateKey, setOperatorName } from "./operate-client.ts";
import type { KeyedStep, Step } from "./operate-client.ts";

/** So many are on their way at once. */
const AT_ONCE = 4;

export interface ActionProps {
  readonly title: string;
  /** What will happen. */
  readonly about: ComponentChildren;
  /** On the button that does it. */
  readonly word: string;
  /** What is asked for, once the fields are filled in. */
  steps(): readonly Step[];
  onClose(): void;
  /** Fields of its own. */
  readonly children?: ComponentChildren;
}

interface Result {
  readonly name: string;
  readonly isDone: boolean;
  readonly text: string;
}

interface Standing {
  readonly accepted: boolean;
  readonly why_not: string | null;
}

export function ActionDialog(props: ActionProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const { answer: standing, trouble } = useAnswer<Standing>("/api/v1/orders", {}, undefined);
  const run = useRun();
  useEffect(() => dialog.current?.showModal(), []);
  const why = standing?.why_not ?? trouble;
  return (
    <dialog ref={dialog} class="action" aria-labelledby="action-title" onClose={props.onClose}>
      <h2 id="action-title">{props.title}</h2>
      {run.results !== undefined ? (
        <Results results={run.results} />
      ) : why !== "" && why !== null ? (
        <p class="trouble" role="alert">
          {why}
        </p>
      ) : (
        <AskForm {...props} run={run} />
      )}
      {(run.results !== undefined || (why !== "" && why !== null)) && (
        <p class="buttons">
          <button type="button" autofocus onClick={() => dialog.current?.close()}>
            Close
          </button>
        </p>
      )}
    </dialog>
  );
}

type Run = ReturnType<typeof useRun>;

function AskForm({ about, word, steps, children, run }: ActionProps & { readonly run: Run }) {
  const [name, setName] = useState(operatorName);
  const [key, setKey] = useState(operateKey);
  // Once known, the key is asked for again only where it was refused.
  const [hasKey] = useState(() => operateKey() !== "");
  const submit = (event: Event): void => {
    event.preventDefault();
    setOperatorName(name.trim());
    setOperateKey(key.trim());
    void run.start(steps());
  };
  return (
    <form class="fields" onSubmit={submit}>
      <div class="about">{about}</div>
      {children}
      <label>
        <span>Your name</span>
        <input
          value={name}
          maxLength={100}
          autocomplete="username"
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      {(!hasKey || run.trouble?.isOfKey === true) && (
        <label>
          <span>Operate key</span>
          <input
            type="password"
            required
            autocomplete="current-password"
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
      )}
      {run.trouble !== undefined && (
        <p class="trouble" role="alert">
          {run.trouble.text}
        </p>
      )}
      <p class="buttons">
        <button type="submit" class="main" disabled={run.isRunning}>
          {run.isRunning ? "Asking…" : word}
        </button>
        <button type="button" onClick={(event) => event.currentTarget.closest("dialog")?.close()}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function Results({ results }: { readonly results: readonly Result[] }): JSX.Element {
  const failed = results.filter(({ isDone }) => !isDone).length;
  return (
    <div role="status">
      {results.length > 1 && (
        <p>
          {results.length - failed} of {results.length} were done.
        </p>
      )}
      <ul class="results">
        {results.map(({ name, isDone, text }) => (
          <li key={name} class={isDone ? "tone-good" : "tone-bad"}>
            <span aria-hidden="true">{isDone ? "✓" : "✖\uFE0E"}</span>{" "}
            <span class="hidden">{isDone ? "done:" : "failed:"}</span>
            {text.includes(name) ? "" : `${name}: `}
            {text}
          </li>
        ))}
      </ul>
    </div>
  );
}

interface Trouble {
  readonly text: string;
  readonly isOfKey: boolean;
}

function useRun() {
  const [results, setResults] = useState<readonly Result[] | undefined>();
  const [trouble, setTrouble] = useState<Trouble | undefined>();
  const [isRunning, setRunning] = useState(false);
  const last = useRef<{ asked: string; steps: readonly KeyedStep[] } | undefined>(undefined);
  const start = async (steps: readonly Step[]): Promise<void> => {
    setRunning(true);
    setTrouble(undefined);
    const asked = JSON.stringify(steps);
    // Where an answer was lost, the same is asked again under the same key.
    if (last.current?.asked !== asked) last.current = { asked, steps: steps.map(keyed) };
    try {
      const all = await runAll(last.current.steps);
      const [only] = all;
      // What is wrong with a single one can be put right here and now.
      if (all.length === 1 && only?.isDone === false)
        setTrouble({ text: only.text, isOfKey: false });
      else setResults(all);
    } catch (error) {
      setOperateKey("");
      setTrouble({ text: (error as Error).message, isOfKey: true });
    } finally {
      setRunning(false);
    }
  };
  return { results, trouble, isRunning, start };
}

/** The first one goes alone: where the key is no good, nothing else is asked. @throws KeyNeeded. */
async function runAll(steps: readonly KeyedStep[]): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < steps.length; from = from === 0 ? 1 : from + AT_ONCE) {
    const some = steps.slice(from, from === 0 ? 1 : from + AT_ONCE);
    results.push(...(await Promise.all(some.map(runOne))));
  }
  return results;
}

async function runOne(step: KeyedStep): Promise<Result> {
  const { name } = step;
  try {
    return { name, isDone: true, text: (await askFor(step)) || "done" };
  } catch (error) {
    if (error instanceof KeyNeeded) throw error;
    const text = error instanceof TypeError ? "Nothing answers." : (error as Error).message;
    return { name, isDone: false, text };
  }
}
