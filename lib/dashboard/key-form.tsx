import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { setReadKey } from "./api-client.ts";
import { useShared, useTick } from "./hooks.ts";

/** Asks for the read key where the API wants one. */
export function KeyForm(): JSX.Element | null {
  useTick(500);
  const { live } = useShared();
  const [key, setKey] = useState("");
  if (live.connection !== "key_needed") return null;
  const open = (event: Event): void => {
    event.preventDefault();
    setReadKey(key);
    void live.connect();
  };
  return (
    <form class="key-form" onSubmit={open}>
      <label for="read-key">Read key</label>
      <input
        id="read-key"
        type="password"
        autocomplete="current-password"
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit">Open</button>
      <p role="alert">{live.trouble} It is kept until this tab is closed.</p>
    </form>
  );
}
