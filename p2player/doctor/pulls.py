"""Checks of the runtimes: does their configuration point here, and does an image really come through."""

from dataclasses import dataclass, replace
from typing import Final

from p2player.config import HostPort
from p2player.control.client import ControlClient
from p2player.doctor.finding import Finding
from p2player.doctor.image import NAME, TinyImage
from p2player.doctor.runtimes import Runtime
from p2player.errors import P2PlayerError, Unavailable
from p2player.runtime.engine import keeps_images_in_containerd
from p2player.runtime.setup.plan import RUNTIMES, plan_setup
from p2player.runtime.setup.probe import version_of
from p2player.runtime.setup.target import Target, reached
from p2player.runtime.setup.tree import DiskTree

_RELOAD: Final = {name: " && ".join(runtime.restart.values()) for name, runtime in RUNTIMES.items()}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was found about a runtime's configuration, and whether it sends pulls to this node."""

    finding: Finding
    points_here: bool


async def configuration_finding(
    name: str, tree: DiskTree, endpoint: str, asks: tuple[str, ...] = (), *, required: bool
) -> Configuration:
    """Tell whether setup would have anything to do for a runtime.

    `endpoint`: where the node listens; `asks`: what it wants of its clients (Status.registry_asks).
    """
    check = f"{name} configuration"
    store = name == "docker" and await keeps_images_in_containerd()
    target = Target(str(reached(HostPort.parse(endpoint))), (), version_of(name), containerd_store=store, asks=asks)
    try:
        plan = plan_setup(name, tree, target)
    except P2PlayerError as error:
        return Configuration(Finding(check, "fail", error.message, error.hint), points_here=False)
    if plan.changes:
        message = f"does not point at {target.endpoint} in {', '.join(change.path for change in plan.changes)}"
        finding = Finding(check, "fail" if required else "warn", message, f"p2player setup {name}")
        return Configuration(finding, points_here=False)
    message = f"points at {target.endpoint}"
    finding = Finding(check, "warn" if plan.notes else "ok", message, "; ".join(plan.notes))
    return Configuration(finding, points_here=True)


async def pull_finding(name: str, runtime: Runtime, daemon: ControlClient, image: TinyImage) -> Finding:
    """Tell whether the runtime pulls the image, which is nowhere but in the daemon, and take it away again."""
    check = f"{name} pull"
    pulled = False
    finding = Finding(check, "ok", "a new image came through the node")
    before = (await daemon.status()).bytes["local"]
    try:
        await runtime.pull(image)
        pulled = True
        if (await daemon.status()).bytes["local"] - before < image.size:
            finding = replace(finding, state="fail", message="it pulled, but the node has served nothing")
    except Unavailable as error:
        fix = (
            f"{_RELOAD[name]}, if it has not been since setup" if _RELOAD[name] else f"p2player setup {name} --dry-run"
        )
        finding = Finding(check, "fail", f"no image comes through the node: {error.message}", fix)
    finally:
        try:
            await runtime.remove(image)
        except Unavailable as error:
            # where nothing came in there may be nothing to remove, and then it fails
            if pulled:
                fix = f"remove {NAME}:{image.tag} by hand"
                finding = Finding(check, "fail", f"its image could not be removed: {error.message}", fix)
    return finding
