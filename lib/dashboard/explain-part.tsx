/** Why a runner is in its state, in the words of `runbeat explain`. */
import type { JSX } from "preact";
import { useAnswer, useShared } from "./hooks.ts";

interface ExplainAnswer {
  readonly headline: string;
  readonly sections: readonly {
    readonly key: string;
    readonly title: string;
    readonly facts: readonly {
      readonly text: string;
      readonly tone: "plain" | "good" | "warn" | "bad";
      readonly evidence: { readonly stream: string; readonly seq: number } | null;
    }[];
  }[];
}

const ASK_EVERY_MS = 5_000;
const SIGNS = { plain: "·", good: "✓", warn: "!", bad: "✖\uFE0E" } as const;

export function ExplainPart({ runner }: { readonly runner: string }): JSX.Element | null {
  const { place } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const { answer } = useAnswer<ExplainAnswer>(
    `/api/v1/runners/${runner}/explain`,
    { at },
    at === undefined ? ASK_EVERY_MS : undefined,
  );
  if (answer === undefined) return null;
  return (
    <section class="card explain" aria-label="Explanation">
      <p class="headline">{answer.headline}</p>
      <details>
        <summary>Why, fact by fact</summary>
        {answer.sections.map(({ key, title, facts }) => (
          <div key={key}>
            <h3>{title}</h3>
            <ul>
              {facts.map(({ text, tone, evidence }, index) => (
                <li key={index} class={`tone-${tone}`}>
                  <span aria-hidden="true">{SIGNS[tone]}</span> {text}
                  {evidence !== null && (
                    <span class="dim">
                      {" "}
                      [{evidence.stream} {evidence.seq}]
                    </span>
                  )}
                </li>
              ))}
            </ul>
          </div>
        ))}
      </details>
    </section>
  );
}
