"""Measures two servers in turn with `weir bench`, and prints the ratios. Started by bench/peers."""

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from breaker_peers import breaker_rows

CLIENTS = (1, 8, 64)
# What the ratio must at least be, by number of clients.
SAME_PROTOCOL = {1: 1.3, 8: 2, 64: 2}
OWN_PROTOCOL = {1: 2, 8: 3, 64: 6}
DECISION = {1: 3, 8: 4, 64: 6}


class Server:
    """A server on a store of its own, ended with the `with` block."""

    def __init__(self, command, target):
        self.target = target
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        host, port = self.target.split(":")
        for _ in range(200):
            if self.process.poll() is not None:
                sys.exit(f"error: {self.process.args[0]} ended: {self.process.stderr.read()}")
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit(f"error: {self.process.args[0]} does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_umadb(program, folder):
    target = f"127.0.0.1:{free_port()}"
    return Server([program, "--listen", target, "--db-path", f"{folder}/uma.db"], target)


def start_weir(program, folder):
    target = f"127.0.0.1:{free_port()}"
    return Server([program, "serve", "--store", f"sqlite:{folder}/weir.db", "--grpc", target,
                   "--http", "127.0.0.1:0"], target)


class Peers:
    def __init__(self, options, weir, umadb):
        self.options = options
        self.weir = weir
        self.umadb = umadb
        self.seed = 0

    def drive(self, server, api, what, *more):
        """One short run; the rate that counts."""
        self.seed += 1  # other tags and choices in every run
        seconds = "1" if self.options.quick else "2"
        command = [self.options.weir, "bench", what, "--api", api, "--target", server.target,
                   "--seconds", seconds, "--warm-up", "0.3", "--seed", str(self.seed), "--json",
                   *more]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)}: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        return result["eventsPerSecond" if what in ("read", "append") else "operationsPerSecond"]

    def compare(self, name, at_least, peer, *sides):
        """Takes a sample of each side in turn; a row for each of Weir's sides."""
        if self.options.only and not any(o in n for n, _ in sides for o in self.options.only):
            return []
        rounds = 3 if self.options.quick else 5
        peers, ours = [], [[] for _ in sides]
        for _ in range(rounds):
            peers.append(peer())
            for samples, (_, side) in zip(ours, sides):
                samples.append(side())
        rows = []
        for (case, _), samples, least in zip(sides, ours, at_least):
            raw, weir = statistics.median(peers), statistics.median(samples)
            rows.append({"case": case, "raw": round(raw, 1), "weir": round(weir, 1),
                         "ratio": round(weir / raw, 3), "at_least": least})
            if not self.options.json:
                print_row(rows[-1])
        return rows

    def appends(self, clients, store):
        what = ("append", "--condition", "--clients", str(clients))
        where = f", {clients} client{'s' if clients > 1 else ''}, {store}"
        return self.compare(
            "conditional append", (SAME_PROTOCOL[clients], OWN_PROTOCOL[clients]),
            lambda: self.drive(self.umadb, "umadb", *what),
            ("conditional append, UmaDB's protocol on both sides" + where,
             lambda: self.drive(self.weir, "umadb", *what)),
            ("conditional append, each with its own protocol" + where,
             lambda: self.drive(self.weir, "weir", *what)))

    def of_each(self, case, least, *what):
        return self.compare(case, (least,), lambda: self.drive(self.umadb, "umadb", *what),
                            (case, lambda: self.drive(self.weir, "weir", *what)))

    def load(self, events):
        """The same log on both sides: reading is the shortest run that first appends what is
        missing."""
        for server, api in ((self.umadb, "umadb"), (self.weir, "weir")):
            self.drive(server, api, "read", "--events", str(events))

    def reads(self, store):
        """Of a log that is equally long on both sides: what is appended later is not."""
        return self.of_each(f"read everything, one reader, {store}", 2, "read")

    def appends_and_decisions(self, store):
        rows = []
        for clients in CLIENTS:
            rows += self.appends(clients, store)
        rows += self.of_each(f"1000 events an append, {store}", 1.2, "append", "--batch", "1000")
        for clients in CLIENTS:
            rows += self.of_each(
                f"decision over a boundary of 25 events, {clients} client"
                f"{'s' if clients > 1 else ''}, {store}",
                DECISION[clients], "decide", "--clients", str(clients))
        return rows


def print_row(row):
    if "at_most" in row:
        met, bound = row["ratio"] <= row["at_most"], f"<= {row['at_most']:<4}"
    else:
        met, bound = row["ratio"] >= row["at_least"], f"of {row['at_least']:<4}"
    digits = 1 if "at_most" in row else 0
    print(f"{'  ok' if met else 'miss'} {row['ratio']:6.2f} {bound} {row['raw']:>10.{digits}f} "
          f"{row['weir']:>10.{digits}f}  {row['case']}", flush=True)


@contextlib.contextmanager
def both_servers(options):
    """Both on new stores, as Peers."""
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="peers-") as folder, \
            start_umadb(options.umadb, folder) as umadb, \
            start_weir(options.weir, folder) as weir:
        yield Peers(options, weir, umadb)


def measure_servers(options):
    small, large = 100_000, 100_000 if options.quick else 1_000_000
    with both_servers(options) as peers:
        rows = peers.appends_and_decisions("fresh store")
    if not options.quick:
        with both_servers(options) as peers:
            peers.load(small)
            rows += peers.reads(f"store of {small:,} events")
    with both_servers(options) as peers:
        peers.load(large)
        store = f"store of {large:,} events"
        return rows + peers.reads(store) + peers.appends_and_decisions(store)


def measure_breakers(options):
    rows = breaker_rows(
        options, lambda case: not options.only or any(o in case for o in options.only))
    if not options.json:
        for row in rows:
            print_row(row)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="bench/peers", description=__doc__)
    parser.add_argument("--weir", help=argparse.SUPPRESS)
    parser.add_argument("--umadb", help=argparse.SUPPRESS)
    parser.add_argument("--breakers", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true",
                        help="short rounds; the large store has 100,000 events, not 1,000,000")
    parser.add_argument("--json", action="store_true",
                        help="print a list of {case, raw, weir, ratio, at_least or at_most}; raw is "
                             "the peer's")
    parser.add_argument("--only", action="append", help="only cases whose name has this in it")
    parser.add_argument("--dir", default="build", help="where to make a temporary folder")
    options = parser.parse_args()
    if not options.json:
        print("      ratio         peer       Weir  case (a second; of breakers, ns)")
    rows = measure_servers(options) if options.umadb else []
    rows += measure_breakers(options)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
