"""`python -m chaos.operators` moves the master label of a local system, in the mode that its task names.

The process that holds a local system (`chaos.cluster.local.nest`) starts it. The mode that plays an operator is in the
operator's room; the modes that follow Sentinel are in `chaos.cluster.local.controller`.
"""

import asyncio

from chaos.cluster.local.controller import MODES, serve
from chaos.operators.spotahome.resync import resync

if __name__ == "__main__":
    asyncio.run(serve(MODES | {"resync": resync}))
