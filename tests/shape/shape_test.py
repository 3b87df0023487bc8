#!/usr/bin/env python3
"""Guards the shape of the code: who may include whom, what may be called where, how long things are.

Usage: shape_test.py ROOT. Prints each offence with its place and what to do instead.
"""

import pathlib
import re
import sys

# A module may depend on these and on what they depend on: the arrows of ARCHITECTURE.md.
ARROWS = {
    "base": [],
    "rpc": ["base"],
    "config": ["base"],
    "security": ["base"],
    "resilience": ["base"],
    "telemetry/api": ["base"],
    "telemetry/sdk": ["telemetry/api"],
    "telemetry/prometheus": ["telemetry/sdk"],
    "telemetry/otlp": ["telemetry/sdk", "rpc"],
    "store": ["base", "telemetry/api"],
    "store/engine": ["store"],
    "store/resilient": ["store/engine", "resilience"],
    "store/testing": ["store"],
    "store/conformance": ["store"],
    "io": ["store"],
    "sql/pool": ["base"],
    "sql/sqlite": ["base"],
    "sql/postgres": ["sql/pool", "resilience", "telemetry/api"],
    "store/sqlite": ["store/engine", "sql/sqlite"],
    "store/postgres": ["store/engine", "sql/postgres"],
    "store/remote": ["store", "rpc", "security"],
    "weir": ["sql/pool", "store/resilient", "store/sqlite", "store/postgres", "store/remote"],
    "gateway": ["security", "rpc", "telemetry/api"],
    "server": ["store/remote", "store/resilient", "gateway", "security", "rpc",
               "telemetry/prometheus", "telemetry/otlp"],
}

# What a pattern finds must not be called; the remedy is printed.
BANNED = [
    (r"_clock::now\s*\(", "take the time from a weir::Clock that is an argument"),
    (r"\bsleep_(for|until)\b|\bu?sleep\s*\(", "wait for a condition, with a bound"),
    (r"\brandom_device\b|\bs?rand\s*\(", "take chance as an argument"),
    (r"(?<![\w:.>])(std::)?system\s*\(", "start no shell"),
    (r"\bstd::(cout|cerr)\b|(?<!\w)(std::)?printf\s*\(|\bputs\s*\(",
     "a library does not print: return an Error, or log with spdlog"),
    (r"\bstd::getenv\s*\(|(?<![\w:])getenv\s*\(", "take settings as options"),
    (r"\bassert\s*\(", "use WEIR_ASSERT, which stays on in release builds"),
    (r"\bNDEBUG\b", "assertions stay on in release builds"),
]

# (file, pattern's text): why it may.
ALLOWED = {
    ("weir/base/time.cpp", "_clock::now"): "the one place that reads the clocks",
    ("weir/base/random.cpp", "random_device"): "the one place that asks for a seed",
    ("weir/base/uuid.cpp", "random_device"): "the seed of the UUIDs' random bits",
    ("weir/telemetry/sdk/id_generator.cpp", "random_device"): "the seed of trace and span ids",
    ("weir/store/sqlite/file.cpp", "random_device"): "the seed of a new file's term hashes",
    ("weir/server/call.hpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("weir/server/server.cpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("weir/server/watch.cpp", "_clock::now"): "gRPC's alarms are on the wall clock",
    ("weir/server/stream_probe.cpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("weir/store/remote/client.cpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("weir/store/remote/streams.cpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("apps/weir/bench_umadb.cpp", "_clock::now"): "gRPC's deadlines are on the wall clock",
    ("apps/weir/main.cpp", "getenv"): "the program's own environment, handed on as an argument",
    ("apps/weir/output.cpp", "getenv"): "NO_COLOR and TERM are how terminals are told",
}

LINES_MAX = 500
COLUMNS_MAX = 100
TEST = re.compile(r"_(test|pgtest|bench|fuzz)\.cpp$|_tests\.cpp$|/testing/|/conformance/|_for_tests")


def reachable(module):
    """The module, and everything that the arrows lead to from it."""
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += ARROWS.get(name, [])
    return seen


def module_of(path, modules):
    """The innermost module that a path below weir/ belongs to; "weir" for its root."""
    folder = path.parent
    while str(folder) != ".":
        if str(folder) in modules:
            return str(folder)
        folder = folder.parent
    return "weir"


def without_comments(text):
    """The code alone, with its lines where they were."""
    keep_lines = lambda match: "\n" * match.group(0).count("\n")
    text = re.sub(r"/\*.*?\*/", keep_lines, text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


class Shape:
    def __init__(self, root):
        self.root = root
        self.offences = []
        self.allowed_used = set()

    def offend(self, path, line, what):
        self.offences.append(f"{path}:{line}: {what}")

    def files(self, *folders):
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                if path.suffix in (".cpp", ".hpp"):
                    yield path.relative_to(self.root)

    def check_declarations(self):
        for file in sorted((self.root / "weir").rglob("CMakeLists.txt")):
            path = file.relative_to(self.root)
            for call in re.findall(r"weir_module\(([^)]*)\)", file.read_text()):
                name = call.split()[0]
                declared = re.search(r"DEPENDS((?:\s+[a-z][a-z_/]*)+)", call)
                if name not in ARROWS:
                    self.offend(path, 1, f"module {name} has no arrows in tests/shape")
                    continue
                for other in declared.group(1).split() if declared else []:
                    if other not in reachable(name):
                        self.offend(path, 1, f"{name} must not depend on {other}")

    def check_includes(self, path):
        text = (self.root / path).read_text()
        if path.parts[0] != "weir":
            return
        own = module_of(path.relative_to("weir"), ARROWS)
        may = reachable(own)
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'#include ([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            target = found.group(2)
            if found.group(1) == '"' and (self.root / path.parent / target).exists():
                self.offend(path, number, f"include <{path.parent / target}>, from the root")
            if not target.startswith("weir/") or not (self.root / target).exists():
                continue
            other = module_of(pathlib.Path(target).relative_to("weir"), ARROWS)
            if other not in may:
                self.offend(path, number, f"{own} must not include {other}: it is not among what "
                            "the module declares")

    def check_calls(self, path):
        lines = without_comments((self.root / path).read_text()).splitlines()
        for pattern, remedy in BANNED:
            for number, line in enumerate(lines, 1):
                found = re.search(pattern, line)
                if not found:
                    continue
                allowed = [key for key in ALLOWED if key[0] == str(path) and key[1] in line]
                if allowed:
                    self.allowed_used.update(allowed)
                else:
                    self.offend(path, number, f"'{found.group(0)}' is banned: {remedy}")

    def check_lengths(self, path):
        lines = (self.root / path).read_text().splitlines()
        if len(lines) > LINES_MAX:
            self.offend(path, len(lines), f"{len(lines)} lines, the limit is {LINES_MAX}: split it")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                self.offend(path, number, f"{len(line)} columns, the limit is {COLUMNS_MAX}")

    def check_header(self, path):
        if not (self.root / path).read_text().startswith("#pragma once"):
            self.offend(path, 1, "a header begins with #pragma once")

    def run(self):
        self.check_declarations()
        for path in self.files("weir", "apps", "examples", "tests", "bench"):
            self.check_lengths(path)
            if path.suffix == ".hpp":
                self.check_header(path)
            if path.parts[0] in ("weir", "apps") and not TEST.search(str(path)):
                self.check_calls(path)
                self.check_includes(path)
        for module in ARROWS:
            folder = self.root / "weir" / ("" if module == "weir" else module)
            if not (folder / "README.md").exists():
                self.offend(folder.relative_to(self.root), 1, "a module has a README.md")
        for path, call in sorted(set(ALLOWED) - self.allowed_used):
            self.offend("tests/shape", 1, f"the exception for {call} in {path} is not needed")
        return self.offences


def main():
    offences = Shape(pathlib.Path(sys.argv[1]).resolve()).run()
    print("\n".join(offences))
    # In GoogleTest's words, so that ./test counts it.
    print("[       OK ] Shape.is_kept (0 ms)" if not offences
          else f"[  FAILED  ] Shape.is_kept, {len(offences)} offences (0 ms)")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
