"""Your own documents, in a folder or on a cluster (lesson 14; needs the extra
`[engine]`).

passage: what is kept, and conditions · tokens: how token states are kept · stores,
edge, client, places: Qdrant in this process or on a server · finder: candidates, hits ·
about, index: all of it · readers, formats, passages: files in · cluster: on many
processors (extra `[cluster]`)
"""

from qrr_lib.lazy import lazy_names

HOMES = {
    "index": "Index",
    "finder": "Hit Hits",
    "passage": "Passage condition",
    "cluster": "RayPool",
    "stores": "EngineError",
}
__getattr__, __dir__, __all__ = lazy_names(__name__, HOMES)
