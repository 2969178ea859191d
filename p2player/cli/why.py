"""`p2player why`: where an image or blob would come from."""

from datetime import UTC, datetime

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, duration_text
from p2player.config import Config
from p2player.control.codec import to_json
from p2player.control.target import parse_target
from p2player.pull.why import ProviderView


@click.command()
@click.argument("target", metavar="REF|DIGEST")
@configured()
@click.pass_obj
def command(output: Output, config: Config, target: str) -> None:
    """Explain where an image or blob would come from if it was pulled now, and what happened to it lately."""
    parse_target(target)
    why = ask(config, lambda daemon: daemon.why(target))
    output.data(to_json(why))
    output.line(why.verdict)
    if why.digest and why.target != str(why.digest):
        output.line(f"{why.target} is {why.digest}.")
    for name in why.names:
        output.line(f"Here it is called {name}.")
    for provider in why.providers:
        output.line(holder_text(provider))
    for entry in why.history:
        at = datetime.fromtimestamp(entry.at, UTC).astimezone()
        output.line(f"{at:%Y-%m-%d %H:%M:%S}  {entry.what}")


def holder_text(provider: ProviderView) -> str:
    """Return what a node says it does with the digest, and whether it is believed."""
    act = "holds" if provider.complete else "is fetching"
    ban = ", but sent wrong bytes before and is not asked" if provider.banned else ""
    age = duration_text(provider.age_seconds)
    return f"Node {provider.node[:8]} at {provider.address} {act} it, as it said {age} ago{ban}."
