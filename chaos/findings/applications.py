"""Application clients that stayed out although their address was back."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.model import ErrorCode

READONLY = ErrorCode.READONLY.words


def never_wrote_again(measured: Measured) -> Iterator[Finding]:
    """Its library is to be looked at: the meters through the same address were served again."""
    back = {path.address for path in measured.working if path.recovered_s and not path.recovered_s.is_open}
    for path in measured.paths.values():
        if not path.application or not path.never_again or path.address not in back:
            continue
        keeps = path.never_again.startswith(READONLY) and "connection" in path.never_again
        yield Finding(
            name="an application stayed out",
            sentence=f"{path.name} never wrote again though {path.address} was back: {path.never_again}.",
            severity="out",
            since_s=0.0,
            rows=(path.never_again,),
            advice="Have applications close a connection that says READONLY; redis-py does with "
            "retry_on_error=[ReadOnlyError]."
            if keeps
            else "",
        )
