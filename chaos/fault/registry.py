"""Every kind of fault by name. A new one is a file beside this one and a line here."""

from chaos.fault import crash, delete, nothing, partition
from chaos.fault.scene import Fault

FAULTS: dict[str, Fault] = {
    "crash": crash.FAULT,
    "delete": delete.FAULT,
    "partition": partition.FAULT,
    "nothing": nothing.FAULT,
}
