"""Builds others' circuit breakers where their toolchain is, and measures them beside ours."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "breaker_peers"

# (case, ours, theirs, at most so many times theirs). Less is better.
OF_RUST = (
    ("breaker over the last 100 calls, alone, beside recloser", "count", "recloser", 1.2),
    ("breaker over the last 100 calls, in a pipeline, beside recloser",
     "count_in_a_pipeline", "recloser", 1.2),
    ("breaker over a window of time, alone, beside failsafe", "time", "failsafe", 0.5),
    ("breaker over a window of time, in a pipeline, beside failsafe",
     "time_in_a_pipeline", "failsafe", 0.5),
)
OF_JAVA = (
    ("breaker over the last 100 calls, in a pipeline, beside Resilience4j",
     "count_in_a_pipeline", "count", 1.0),
    ("breaker over a window of time, in a pipeline, beside Resilience4j",
     "time_in_a_pipeline", "time", 1.0),
)


def say(text):
    print(f"weir: {text}", file=sys.stderr, flush=True)


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def build_rust(cache):
    """The program that measures recloser and failsafe; nothing without cargo."""
    if shutil.which("cargo") is None:
        say("no cargo: recloser and failsafe are left out")
        return None
    say("building recloser and failsafe from crates.io")
    folder = cache / "breakers-rust"
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("java"))
    run(["cargo", "build", "--release", "--quiet"], cwd=folder,
        env={**os.environ, "CARGO_HOME": str((cache / "cargo").resolve())})
    return folder / "target" / "release" / "breaker_peers"


def build_java(cache):
    """The JMH benchmarks of Resilience4j; nothing without Maven and a JDK."""
    if shutil.which("mvn") is None or shutil.which("javac") is None:
        say("no Maven or no JDK: Resilience4j is left out")
        return None
    say("building Resilience4j's benchmark from Maven Central")
    folder = cache / "breakers-java"
    shutil.copytree(SOURCES / "java", folder, dirs_exist_ok=True)
    run(["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={(cache / 'maven').resolve()}",
         "package"], cwd=folder)
    return folder / "target" / "benchmarks.jar"


def measure_java(jar, quick):
    result = jar.parent / "result.json"
    run(["java", "-jar", jar, "-i", "3" if quick else "5", "-rf", "json", "-rff", result])
    return {row["benchmark"].rsplit(".", 1)[1]: row["primaryMetric"]["score"]
            for row in json.loads(result.read_text())}


def row(case, theirs, ours, at_most):
    return {"case": case, "raw": round(theirs, 2), "weir": round(ours, 2),
            "ratio": round(ours / theirs, 3), "at_most": at_most}


def breaker_rows(options, wanted):
    """A row for each case that is wanted and whose peer can be built; nanoseconds a call."""
    cache = Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    rounds = 3 if options.quick else 7
    rows = []
    rust_cases = [case for case in OF_RUST if wanted(case[0])]
    java_cases = [case for case in OF_JAVA if wanted(case[0])]
    rust = build_rust(cache) if rust_cases else None
    java = build_java(cache) if java_cases else None
    ours, theirs = [], []
    for _ in range(rounds if rust or java else 0):
        ours.append(json.loads(run([options.breakers])))
        theirs.append(json.loads(run([rust])) if rust else {})
    middle = lambda samples, key: statistics.median(sample[key] for sample in samples)
    if rust:
        rows += [row(case, middle(theirs, peer), middle(ours, own), at_most)
                 for case, own, peer, at_most in rust_cases]
    if java:
        of_java = measure_java(java, options.quick)
        rows += [row(case, of_java[peer], middle(ours, own), at_most)
                 for case, own, peer, at_most in java_cases]
    return rows
