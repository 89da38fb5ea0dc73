/** What looks at pictures. A new one is a file here and a line in named.ts. */
import type { Frame, FrameFormat } from "../../core/camera-session.ts";

export interface Analysis {
  /** Things found in the picture. */
  readonly detected: number;
  /** Those of them that are known. */
  readonly matched: number;
}

export interface Analyser {
  readonly name: string;
  /** The pictures it wants; null: none. */
  readonly wants: FrameFormat | null;
  /** Pictures come one after the other, and the next one waits for the answer. */
  analyse(frame: Frame): Analysis | Promise<Analysis>;
  /** Ends what it has started. */
  stop?(): Promise<void>;
}
