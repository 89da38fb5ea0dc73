import type { JSX } from "preact";

export const HELP_ID = "help";

const KEYS: readonly (readonly [key: string, does: string])[] = [
  ["/", "search"],
  ["↑ ↓ or k j", "move in the table; Enter opens a runner"],
  ["x or Space", "select a runner, for orders and silences"],
  ["Home End PgUp PgDn", "move further"],
  ["1 2 3 4", "fleet, events, alerts, pipeline"],
  ["n", "back to now"],
  ["?", "this list"],
];

export function HelpDialog(): JSX.Element {
  return (
    <dialog id={HELP_ID} aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>
        Every count, filter and moment is in the address: send it to a colleague. The reference of
        the API is at <a href="/docs">/docs</a>.
      </p>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
