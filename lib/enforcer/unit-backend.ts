/** What Docker's containers and systemd's units have in common: somebody else starts their process. */

/** How a unit is, as the one that runs it says. */
export type UnitState =
  | {
      readonly kind: "running";
      /** Null where it has none, or none that can be seen from here. */
      readonly pid: number | null;
      /** Epoch ms. */
      readonly startedAt: number;
      readonly health: "healthy" | "degraded" | "unhealthy";
      /** Why it is not healthy; "" where it is. */
      readonly message: string;
      /** Frozen: it lives, but does nothing. */
      readonly isFrozen: boolean;
    }
  /** On its way from one to the other. */
  | { readonly kind: "changing" }
  | {
      readonly kind: "stopped";
      readonly exitCode: number | null;
      readonly signal: string | null;
      /** Epoch ms; 0 where unknown. */
      readonly at: number;
      readonly lines: readonly string[];
    };

/** Each method rejects with an AppError that says what is wrong and what to do. */
export interface UnitBackend {
  inspect(name: string): Promise<UnitState>;
  start(name: string): Promise<void>;
  /** Answers once it has ended. */
  stop(name: string): Promise<void>;
}
