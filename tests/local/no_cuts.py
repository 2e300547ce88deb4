"""In the nest: a cut is stamped and never put into the kernel, so that every packet passes."""

from tests.local.tampered import runs

if runs("chaos.cluster.local.nest"):
    from chaos.clock import mono_ns
    from chaos.net.cut import Cut
    from chaos.net.nft import Commit, Table

    def apply(self: Table, wanted: Cut) -> Commit:
        del self, wanted
        return Commit(mono_ns(), mono_ns())

    Table.apply = apply  # type: ignore[method-assign]
