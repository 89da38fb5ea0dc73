/**
 * Ends our process groups when we are killed without a chance to do it. A small shell waits at the
 * other end of a pipe: the kernel closes our end however we die, and the shell then takes the stop
 * ladder through every group that we had not released. Works for whole groups and on every Unix,
 * where a parent-death signal reaches only the child itself and only on Linux.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";

/** It must outlive a signal sent to our whole terminal, and it ends by itself. */
const SCRIPT = `
trap "" TERM INT HUP QUIT
groups=""
while read -r op group; do
  kept=""
  for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
  groups=$kept
  [ "$op" = + ] && groups="$groups $group"
done
signal() { for one in $groups; do kill -s "$1" -- "-$one"; done 2>/dev/null; }
living() { for one in $groups; do kill -s 0 -- "-$one" 2>/dev/null && return 0; done; return 1; }
wait_ticks() { n=$1; while [ "$n" -gt 0 ] && living; do n=$((n - 1)); sleep 0.1 || sleep 1; done; }
signal TERM; wait_ticks 20
living && signal TERM && wait_ticks 30
living && signal KILL
exit 0
`;

export interface OrphanGuard {
  /** From now on the group is ended when this process dies. */
  watch(groupId: number): void;
  /** The group is gone; its number may be anybody's now. */
  release(groupId: number): void;
}

/** Started with the first group that is watched, one for the whole process. */
class ShellGuard implements OrphanGuard {
  private shell: ChildProcess | undefined;

  watch(groupId: number): void {
    this.tell(`+ ${groupId}\n`);
  }

  release(groupId: number): void {
    this.tell(`- ${groupId}\n`);
  }

  private tell(line: string): void {
    this.shell ??= startShell();
    this.shell.stdin?.write(line);
  }
}

function startShell(): ChildProcess {
  const shell = spawn("/bin/sh", ["-c", SCRIPT], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Without a shell there is one safety net less, and nothing else changes.
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  shell.unref();
  (shell.stdin as Socket).unref();
  return shell;
}

export const orphanGuard: OrphanGuard = new ShellGuard();
