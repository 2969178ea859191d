"""p2player: peer-to-peer distribution of container image layers, with no central service."""

__version__ = "0.1.0"
