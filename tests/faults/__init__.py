"""A campaign of faults: kills, flipped bits, full disks, slow clients."""
