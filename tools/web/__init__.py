"""How notebooks become web pages that need no network: export."""
