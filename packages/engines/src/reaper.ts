/**
 * Ends child processes whose parent could not do it: a small shell that waits at a pipe from us.
 *
 * When the pipe closes without a farewell, because this process was killed or crashed, the shell kills every watched
 * process with all its descendants and runs the commands left for the end (removal of folders and the like). It has
 * a session of its own and ignores the signals of a terminal, so Ctrl-C does not reach it before its work.
 *
 * - R1. What is watched when the pipe closes is dead shortly after; parents are stopped before their children are
 *   looked up, so none starts another one meanwhile.
 * - R2. What ended in order is released at once: its process id may belong to somebody else later.
 * - R3. It lives only while there is something to watch over, and never keeps this process alive.
 * - R4. What `spawn` starts tells of itself before it begins: this process may die at any moment, also between a start
 *   and its own words about it.
 *
 * It is a shell and not Node because it is idle for its whole life: 1 MB instead of 40 MB.
 */
import { spawn, type ChildProcess, type IOType, type SpawnOptions } from "node:child_process";

// Lines from the pipe: "watch <pid>", "release <pid>", "undo <number> <command>", "forget <number>", "farewell".
const script = String.raw`
trap '' INT TERM HUP QUIT TSTP
watched=' '
without() { # the words of $1 but $2
  kept=' '
  for word in $1; do [ "$word" = "$2" ] || kept="$kept$word "; done
  printf %s "$kept"
}
processes() { # "pid parent state" of all
  if [ -r /proc/self/stat ]; then
    for stat in /proc/[0-9]*/stat; do
      { read -r line < "$stat"; } 2>/dev/null || continue
      pid=${"$"}{line%% *}
      # The name in brackets may hold anything, so read on after the last bracket: state, parent.
      set -- ${"$"}{line##*) }
      echo "$pid $2 $1"
    done
  else
    ps -A -o pid=,ppid=,stat=
  fi
}
kill_trees() {
  found="$1"
  kill -STOP $found 2>/dev/null
  rounds=0
  # All stand still in one list, and the next one shows nobody new: see stopTree in process-tree.ts.
  still=0
  while [ $rounds -lt 40 ] && [ $still -lt 2 ]; do
    fresh=' '
    still=$((still + 1))
    while read -r pid parent state; do
      case "$found$fresh" in
        *" $pid "*) case "$state" in [TtZX]*) ;; *) still=0 ;; esac ;;
        *" $parent "*) kill -STOP "$pid" 2>/dev/null; fresh="$fresh$pid "; still=0 ;;
      esac
    done <<LIST
$(processes)
LIST
    found="$found$fresh"
    rounds=$((rounds + 1))
  done
  kill -KILL $found 2>/dev/null
}
undos=' '
while read -r word rest; do
  case "$word" in
    watch) watched="$watched$rest " ;;
    release) watched=$(without "$watched" "$rest") ;;
    undo) number=${"$"}{rest%% *}; eval "undo_$number=\"\${rest#* }\""; undos="$undos$number " ;;
    forget) undos=$(without "$undos" "$rest") ;;
    farewell) exit 0 ;;
  esac
done
[ "$watched" = ' ' ] || kill_trees "$watched"
for number in $undos; do eval "eval \"\$undo_$number\"" >/dev/null 2>&1; done
`;

// R4: the line for the reaper's pipe, which the program itself does not get.
const announced = 'echo "watch $$" >&3 && exec "$0" "$@" 3>&-';

// A shell that does not live on this computer must not be started for ever.
const mostLosses = 10;

const shellWord = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

export class Reaper {
  #shell: ChildProcess | undefined;
  readonly #watched = new Set<number>();
  readonly #undos = new Map<number, string>();
  #lastUndo = 0;
  #losses = 0;

  /**
   * Starts a program that is watched until it exits. A command that does not exist ends with the shell's code, 127.
   * @throws as `spawn` of node:child_process does.
   */
  spawn(
    command: string,
    args: readonly string[],
    options: Omit<SpawnOptions, "stdio"> & { readonly stdio: readonly IOType[] },
  ): ChildProcess {
    const { stdin } = (this.#shell ??= this.#start());
    const child = spawn("/bin/sh", ["-c", announced, command, ...args], {
      ...options,
      stdio: [...options.stdio, stdin],
    });
    const { pid } = child;
    if (pid === undefined) this.#rest();
    else {
      this.#watched.add(pid);
      child.once("exit", () => this.release(pid));
    }
    return child;
  }

  /** Kill `pid` and its descendants when this process is gone. */
  watch(pid: number): void {
    if (!Number.isInteger(pid) || pid <= 1) throw new RangeError(`${pid} is not the id of a process of ours.`);
    this.#watched.add(pid);
    this.#say(`watch ${pid}`);
  }

  /** The process has ended. */
  release(pid: number): void {
    if (!this.#watched.delete(pid)) return;
    this.#say(`release ${pid}`);
    this.#rest();
  }

  /** Run `command` after the killing when this process is gone. The returned function takes that back. */
  atEnd(command: readonly string[]): () => void {
    const text = command.map(shellWord).join(" ");
    if (text.includes("\n")) throw new RangeError("A command for the end must be one line.");
    const number = ++this.#lastUndo;
    this.#undos.set(number, text);
    this.#say(`undo ${number} ${text}`);
    return () => {
      if (!this.#undos.delete(number)) return;
      this.#say(`forget ${number}`);
      this.#rest();
    };
  }

  /** The shell's process id while it lives. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  #say(line: string): void {
    this.#shell ??= this.#start();
    this.#shell.stdin?.write(`${line}\n`);
  }

  #rest(): void {
    if (this.#watched.size > 0 || this.#undos.size > 0) return;
    this.#shell?.stdin?.end("farewell\n");
    this.#shell = undefined;
  }

  #start(): ChildProcess {
    const shell = spawn("/bin/sh", ["-c", script, "understudy-reaper"], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
    });
    // Somebody killed it: the next thing said starts another one, which is told all again.
    shell.stdin?.on("error", () => undefined);
    shell.on("error", () => undefined);
    shell.once("exit", () => {
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      if (++this.#losses > mostLosses) return;
      for (const pid of this.#watched) this.#say(`watch ${pid}`);
      for (const [number, text] of this.#undos) this.#say(`undo ${number} ${text}`);
    });
    shell.unref();
    (shell.stdin as unknown as { unref(): void } | null)?.unref();
    return shell;
  }
}
