/** Keys that work everywhere but where one writes. */
import { SEARCH_ID } from "./filter-bar.tsx";
import { TABLE_ID } from "./fleet-table.tsx";
import { HELP_ID } from "./help-dialog.tsx";
import type { Shared } from "./hooks.ts";
import { placeOf } from "./hooks.ts";
import type { Page } from "./place.ts";

const PAGE_KEYS: Readonly<Record<string, Page>> = {
  1: { name: "fleet" },
  2: { name: "events" },
  3: { name: "alerts" },
  4: { name: "pipeline" },
};

function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}

/** @returns how to stop. */
export function listenToKeys(shared: Shared): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // What is beneath a dialog does not move.
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.key === "Escape" && event.target === document.getElementById(SEARCH_ID)) {
      document.getElementById(TABLE_ID)?.focus();
      return;
    }
    if (isWriting(event.target) || !actOn(event.key, shared)) return;
    event.preventDefault();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}

/** Whether the key means something. */
function actOn(key: string, shared: Shared): boolean {
  const page = PAGE_KEYS[key];
  if (page !== undefined) shared.go(placeOf(shared, page));
  else if (key === "/") document.getElementById(SEARCH_ID)?.focus();
  else if (key === "?") (document.getElementById(HELP_ID) as HTMLDialogElement).showModal();
  else if (key === "n" && shared.place.at !== undefined) shared.go({ at: undefined });
  else if ((key === "j" || key === "ArrowDown") && document.activeElement === document.body)
    document.getElementById(TABLE_ID)?.focus();
  else return false;
  return true;
}
