"""The command line: ten lines over each verb, and nothing that a program would need."""

from facsim.cli.app import cli, main

__all__ = ["cli", "main"]
