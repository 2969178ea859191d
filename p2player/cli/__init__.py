"""The command line: one file a verb, none of which is loaded before it is asked for."""

from p2player.cli.app import main

__all__ = ["main"]
