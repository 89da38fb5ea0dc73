/** The only place that looks at the environment of this process. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy of the environment, for the settings and for the children that we start. */
export function readEnvironment(): Environment {
  return { ...process.env };
}

/** Names that Runbeat itself hands to the programs it starts; they configure nothing here. */
export const HANDED_DOWN = ["RUNBEAT_RUNNER", "RUNBEAT_RUN"] as const;

/** What the test suite hands to the programs that it starts. */
export const TEST_PREFIX = "RUNBEAT_TEST_";
