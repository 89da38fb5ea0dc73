/** Counts moving regions: where a picture differs from what the camera has seen of late. */
import type { Frame } from "../../core/camera-session.ts";
import type { Analyser, Analysis } from "./analyser.ts";

const WIDTH = 160;
const HEIGHT = 90;
/** Pixels of a cell's side; 16 × 9 cells cover the picture. */
const CELL = 10;
const COLUMNS = WIDTH / CELL;
const ROWS = HEIGHT / CELL;
const MAX_FPS = 5;
/** Mean difference of a cell's pixels, of 255, from which it counts as moving. */
const THRESHOLD = 6;
/** How fast the background follows: each picture is a quarter of it. */
const LEARN_SHIFT = 2;
/** Fixed point: the background has this many binary digits behind the point. */
const FRACTION_BITS = 6;

/** `detected` is the number of separate moving regions; `matched` is always 0. */
export function createMotionAnalyser(): Analyser {
  let background: Uint16Array | undefined;
  return {
    name: "motion",
    wants: { width: WIDTH, height: HEIGHT, pixels: "gray", maxFps: MAX_FPS },
    analyse(frame: Frame): Analysis {
      if (background === undefined) {
        background = Uint16Array.from(frame.data, (value) => value << FRACTION_BITS);
        return { detected: 0, matched: 0 };
      }
      return { detected: countRegions(movingCells(frame.data, background)), matched: 0 };
    },
  };
}

/** One pass: compares each pixel with the background and moves the background towards it. */
function movingCells(pixels: Uint8Array, background: Uint16Array): Uint8Array {
  const sums = new Uint32Array(COLUMNS * ROWS);
  for (let y = 0, at = 0; y < HEIGHT; y++) {
    const cellRow = Math.trunc(y / CELL) * COLUMNS;
    for (let x = 0; x < WIDTH; x++, at++) {
      const seen = background[at] ?? 0;
      const difference = ((pixels[at] ?? 0) << FRACTION_BITS) - seen;
      background[at] = seen + (difference >> LEARN_SHIFT);
      const cell = cellRow + Math.trunc(x / CELL);
      sums[cell] = (sums[cell] ?? 0) + Math.abs(difference);
    }
  }
  const limit = (THRESHOLD * CELL * CELL) << FRACTION_BITS;
  return Uint8Array.from(sums, (sum) => (sum > limit ? 1 : 0));
}

/** Counts groups of cells that touch, corners included; uses up the cells. */
function countRegions(cells: Uint8Array): number {
  let regions = 0;
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell] === 0) continue;
    regions++;
    clearRegion(cells, cell);
  }
  return regions;
}

function clearRegion(cells: Uint8Array, start: number): void {
  const open = [start];
  cells[start] = 0;
  for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
    for (const neighbour of neighbours(cell)) {
      if (cells[neighbour] !== 1) continue;
      cells[neighbour] = 0;
      open.push(neighbour);
    }
  }
}

function neighbours(cell: number): number[] {
  const row = Math.trunc(cell / COLUMNS);
  const column = cell % COLUMNS;
  const found: number[] = [];
  for (let y = Math.max(0, row - 1); y <= Math.min(ROWS - 1, row + 1); y++) {
    for (let x = Math.max(0, column - 1); x <= Math.min(COLUMNS - 1, column + 1); x++) {
      found.push(y * COLUMNS + x);
    }
  }
  return found;
}
