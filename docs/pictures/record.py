#!/usr/bin/env python3
"""Records docs/pictures/first-order.svg: `cargo xtask up`, and the README's first order against it.

    python3 docs/pictures/record.py

It runs the commands that the README shows, so the recording is true as long as the README is. Waits are
shortened to a second, and the functions' own log, which is JSON, is left out. Build before with `cargo build --workspace`, or the recording shows the build. The
picture is drawn by svg-term, which `npx` fetches; so it needs Node.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAST = ROOT / "target" / "first-order.cast"
PICTURE = ROOT / "docs" / "pictures" / "first-order.svg"
WIDTH, HEIGHT = 102, 30
WRAP = 98
"""Longer lines are wrapped. In a wider font the picture has no room for its last columns."""
IDLE_MAX = 1.0
"""The longest wait between two outputs, in seconds."""
TYPING = 0.3
"""For a line of a command, in seconds. Each output is a frame of the picture, so lines come whole."""
PROMPT = "\x1b[32m$\x1b[0m "


class Recording:
    """An asciicast of version 2: a header, and one line for each output."""

    def __init__(self):
        self.events = []
        self.now = 0.0
        self.last = time.monotonic()

    def output(self, text):
        moment = time.monotonic()
        self.now += min(moment - self.last, IDLE_MAX)
        self.last = moment
        text = re.sub(f"([^\n]{{{WRAP}}})(?=[^\n])", r"\1\n", text)
        self.events.append([round(self.now, 3), "o", text.replace("\n", "\r\n")])

    def type(self, text):
        self.output(PROMPT)
        for line in text.splitlines():
            self.wait(TYPING)
            self.output(line + "\n")

    def wait(self, seconds):
        """A wait that is not shortened."""
        self.now += seconds
        self.last = time.monotonic()

    def write(self, path):
        header = {"version": 2, "width": WIDTH, "height": HEIGHT}
        lines = [json.dumps(line) for line in [header, *self.events]]
        path.write_text("\n".join(lines) + "\n")


def steps():
    """The README's commands after the system is ready, each with the comment before it."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    block = next(block for block in blocks if block.startswith("API="))
    return [step.strip() for step in block.strip().split("\n\n")]


def main():
    recording = Recording()
    recording.type("cargo xtask up")
    up = subprocess.Popen(
        ["cargo", "xtask", "up"], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for line in up.stdout:
            if not line.startswith("{"):
                recording.output(line)
            if line.strip() == "ready":
                break
        else:
            sys.exit("the system did not start")
        recording.wait(1.5)
        shell = subprocess.Popen(
            ["bash"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for step in steps():
            recording.output("\n")
            recording.type(step.replace("\n", "\n  "))
            shell.stdin.write(f"{step}\necho __end__\n")
            shell.stdin.flush()
            for line in iter(shell.stdout.readline, "__end__\n"):
                recording.output(line)
            recording.wait(0.8)
        shell.stdin.close()
        shell.wait()
        recording.wait(4)
        recording.output(PROMPT)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait()
    recording.write(CAST)
    subprocess.run(
        ["npx", "--yes", "svg-term-cli@2.1.1", "--in", str(CAST), "--out", str(PICTURE), "--window"], check=True
    )
    print(f"{PICTURE.relative_to(ROOT)} has {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
