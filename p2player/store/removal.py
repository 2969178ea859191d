"""Taking images out: what only they keep alive goes with them."""

from collections.abc import Iterable
from dataclasses import dataclass

from p2player.errors import BadInput, BlobNotFound, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.store.catalog import Catalog
from p2player.store.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out, and how many bytes it took up."""

    blobs: tuple[Digest, ...]
    bytes: int


def roots(catalog: Catalog) -> set[Digest]:
    """Return what keeps blobs alive: the digests that names mean, and the pins."""
    return {row.descriptor.digest for row in catalog.names()} | set(catalog.pins())


def remove_image(inventory: Inventory, scope: str, name: str) -> Removed:
    """Take out a name and every blob of its image that no other name or pin reaches. Raises ReferenceNotFound."""
    with inventory.lock:
        catalog = inventory.catalog
        row = catalog.name(scope, name)
        if row is None:
            raise ReferenceNotFound(f"no image {scope}:{name} here", hint="`p2player ls` shows what there is")
        others = {other.descriptor.digest for other in catalog.names() if other != row}.union(catalog.pins())
        removed = _belonging_only_to(catalog, row.descriptor.digest, others)
        inventory.remove(removed.blobs, name=(scope, name))
        return removed


def remove_blob(inventory: Inventory, digest: Digest) -> Removed:
    """Take out a blob, and what else only it keeps alive.

    Raises BlobNotFound, or BadInput if a name or another pinned manifest needs it, or its file is not ours.
    """
    with inventory.lock:
        catalog = inventory.catalog
        if catalog.get(digest) is None:
            raise BlobNotFound(f"no blob {digest} here", hint="`p2player ls` shows what there is")
        if adopted := catalog.adopted().get(digest):
            raise BadInput(
                f"blob {digest} lies in {adopted.owner}",
                hint="remove its image there, or serve without --adopt, and it is offered no longer",
            )
        holders = {row.reference: row.descriptor.digest for row in catalog.names()}
        holders |= {str(pin): pin for pin in catalog.pins() if pin != digest}
        for holder, root in holders.items():
            if digest in catalog.reached([root]):
                raise BadInput(f"blob {digest} belongs to {holder}", hint=f"`p2player rm {holder}` removes both")
        removed = _belonging_only_to(catalog, digest, holders.values())
        inventory.remove(removed.blobs)
        return removed


def _belonging_only_to(catalog: Catalog, root: Digest, others: Iterable[Digest]) -> Removed:
    kept = catalog.reached(others).keys() | catalog.adopted().keys()
    going = {digest: size for digest, size in catalog.reached([root]).items() if digest not in kept}
    return Removed(tuple(going), sum(going.values()))
