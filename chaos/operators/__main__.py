"""`python -m chaos.operators`: what moves the master label of a local system, in the mode that its task names.

A nest starts it by this name. An operator's own way is in its room; the ways that take Sentinel's word are those of
`chaos.cluster.local.controller`.
"""

import asyncio

from chaos.cluster.local.controller import MODES, serve
from chaos.operators.spotahome.resync import resync

if __name__ == "__main__":
    asyncio.run(serve(MODES | {"resync": resync}))
