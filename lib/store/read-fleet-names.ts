/** The names of the fleet's runners: in order, and searchable for any part of them at once. */

export interface FleetNames {
  /** Slots in the order of their names. */
  readonly slots: Int32Array;
  /** Each slot's place in that order. */
  readonly places: Int32Array;
  /** The first place behind a name, in either direction; the name need not be there. */
  placeOf(runner: string, step: 1 | -1): number;
  /** Marks the slots whose names hold a text in lower case. */
  withText(text: string): Uint8Array;
}

/** @param before slots in order, of the first so many runners: most of the order is known already. */
export function fleetNames(runners: readonly string[], before: Int32Array): FleetNames {
  const slots = sortedSlots(runners, before);
  const places = new Int32Array(slots.length);
  slots.forEach((slot, place) => (places[slot] = place));
  let search: ((text: string) => Uint8Array) | undefined;
  return {
    slots,
    places,
    placeOf: (runner, step) => placeOf(runners, slots, runner, step),
    withText: (text) => (search ??= textSearch(runners))(text),
  };
}

/** The sort is quick where a long part of what it gets is in order. */
function sortedSlots(runners: readonly string[], before: Int32Array): Int32Array {
  const slots = Array.from(before);
  for (let slot = before.length; slot < runners.length; slot++) slots.push(slot);
  slots.sort((one, other) => ((runners[one] as string) < (runners[other] as string) ? -1 : 1));
  return Int32Array.from(slots);
}

function placeOf(
  runners: readonly string[],
  slots: Int32Array,
  runner: string,
  step: 1 | -1,
): number {
  let low = 0;
  let high = slots.length;
  const isWanted = (name: string): boolean => (step > 0 ? name > runner : name >= runner);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isWanted(runners[slots[middle] as number] as string)) high = middle;
    else low = middle + 1;
  }
  return step > 0 ? low : low - 1;
}

/** All names in one string: searching it is far quicker than searching each. */
function textSearch(runners: readonly string[]): (text: string) => Uint8Array {
  const ends = new Int32Array(runners.length);
  let length = 0;
  runners.forEach((runner, slot) => (ends[slot] = length += runner.length + 1));
  const all = `${runners.join("\n").toLowerCase()}\n`;
  return (text) => {
    const found = new Uint8Array(runners.length);
    let slot = 0;
    for (let at = all.indexOf(text); at >= 0; at = all.indexOf(text, ends[slot])) {
      while ((ends[slot] as number) <= at) slot += 1;
      found[slot] = 1;
    }
    return found;
  };
}
