#!/usr/bin/env python3
"""`bestie ablate-cues`: compare instance cues over strengths of the peak attention."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("ablate-cues")
