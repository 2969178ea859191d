"""The program: finds the verb, runs it, and turns whatever goes wrong into a message and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

import p2player
from p2player.cli.output import Output
from p2player.errors import P2PlayerError

# Said here, not in the verbs: `--help` then has no need to load them.
VERBS: Final = {
    "serve": "Run this machine's node.",
    "seed": "Put images or files into the cluster.",
    "fetch": "Bring an image or blob out of the cluster.",
    "status": "Show the node at a glance.",
    "ls": "List the images or blobs held here.",
    "peers": "List the nodes this one knows.",
    "why": "Explain where an image or blob would come from.",
    "verify": "Hash everything held here again.",
    "rm": "Remove an image or blob from this node.",
    "doctor": "Check that images come through, and say what to mend.",
    "setup": "Point a container runtime at this node.",
    "secret": "Make the secret of a cluster, or change it.",
    "ca": "Make a CA and certificates for the nodes of a cluster.",
    "torrent": "Write a .torrent file for a blob held here.",
}

_EPILOG: Final = """\b
Exit codes: 0 done, 1 a bug in p2player, 2 bad input, 3 nobody has it,
4 bytes that do not match their digest, 5 unreachable or unavailable,
6 trouble with the disk, 7 not allowed by the registry, 130 interrupted,
141 the reader of the output left.
"""
_INTERRUPTED: Final = 130
_READER_LEFT: Final = 141


class Verbs(click.Group):
    """The verbs, each loaded when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb called cmd_name, or None."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"p2player.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(p2player.__version__, prog_name="p2player", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="P2PLAYER_DEBUG", help="Show the traceback of an unexpected failure.")
@click.pass_obj
def cli(output: Output, debug: bool) -> None:
    """Peer-to-peer distribution of container images, with no central service."""
    output.debug = debug


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    output = Output()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments, output)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise again when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_LEFT
    return code


def _run(arguments: list[str], output: Output) -> int:
    try:
        with cli.make_context("p2player", arguments, obj=output) as context:
            cli.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        if output.json:
            output.failure("UsageError", error.format_message(), "", error.exit_code)
        else:
            error.show()
        return error.exit_code
    except P2PlayerError as error:
        output.failure(error.name, error.message, error.hint, error.exit_code)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  (the last one to hear of it)
        if output.debug:
            traceback.print_exc()
        message = f"unexpected {type(error).__name__}: {error}; this is a bug in p2player"
        output.failure(type(error).__name__, message, "`p2player --debug …` shows where it happened", 1)
        return 1
    return 0
