from p2player.pull.fetch.holders import Lead, Sighting


async def fly(node, digest, seen):
    """Join the fetch of digest by what a look has found, or by these claims, and return what it ends with."""
    sighting = seen if isinstance(seen, Sighting) else Sighting(tuple(seen))
    with node.flights.join(Lead(digest, sighting.size, sighting)) as flight:
        return await flight.landed()
