"""`p2player why`: where an image or blob would come from."""

from datetime import UTC, datetime

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, duration_text
from p2player.config import Config
from p2player.control.codec import to_json
from p2player.control.target import parse_target
from p2player.pull.why import ProviderView, TagView


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
    if why.tag:
        output.line(tag_text(why.tag))
    if why.private:
        output.line(
            f"It is private: only who may have it in {' or '.join(why.repositories) or 'its registry'} gets it."
        )
    for node in why.not_believed:
        output.line(not_believed_text(node, why.target))
    for name in why.names:
        output.line(f"Here it is called {name}.")
    for provider in why.providers:
        output.line(holder_text(provider))
    for entry in why.history:
        at = datetime.fromtimestamp(entry.at, UTC).astimezone()
        output.line(f"{at:%Y-%m-%d %H:%M:%S}  {entry.what}")


def tag_text(tag: TagView) -> str:
    """Return how well it is known what the tag means."""
    if tag.seeded or tag.confirmed is None:
        return "That is what somebody seeded under this name; no registry said so."
    at = datetime.fromtimestamp(tag.confirmed, UTC).astimezone()
    said = f"Its registry said so at {at:%Y-%m-%d %H:%M:%S}"
    if tag.stale_for is None:
        return f"{said}."
    return f"{said}, {duration_text(tag.stale_for)} ago, and cannot be asked now: it may mean something else by now."


def holder_text(provider: ProviderView) -> str:
    """Return what a node says it does with the digest, and whether it is believed."""
    act = "holds" if provider.complete else "is fetching"
    ban = ""
    if provider.banned_at is not None:
        since = datetime.fromtimestamp(provider.banned_at, UTC).astimezone()
        ban = f", but is banned since {since:%Y-%m-%d %H:%M:%S} and not asked: it {provider.ban_reason}"
    age = duration_text(provider.age_seconds)
    return f"Node {provider.node[:8]} at {provider.address} {act} it, as it said {age} ago{ban}."


def not_believed_text(node: str, name: str) -> str:
    """Return why what a node says about a name does not count."""
    return f"A record by {node} is not believed: banned, or not among the publishers of {name}."
