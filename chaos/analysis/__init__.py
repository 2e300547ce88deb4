"""What a campaign's directory says: pure functions of the files, the same answer tomorrow and with Redis off."""

from chaos.analysis.campaign import analyse
from chaos.analysis.trial import analyse_trial

__all__ = ["analyse", "analyse_trial"]
