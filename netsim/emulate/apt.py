"""What this machine's apt knows of Debian."""

import platform

from netsim.emulate.processes import ProgramError, run


def machine_suite() -> str:
    """Return the code name of the Debian this machine runs. Raises ProgramError if it is none."""
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError) as error:
        raise ProgramError("not a Debian machine: /etc/os-release has no VERSION_CODENAME") from error


def mirror_of(suite: str) -> str:
    """Return where this machine's apt has suite from. Raises ProgramError if it does not know it."""
    for line in run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"]).splitlines():
        codename, _, uri = line.partition(" ")
        if codename == suite:
            return uri
    raise ProgramError(f"apt has no source for {suite}")
