"""What people read: HTML, terminal, JUnit, Markdown, JSON. Renders; decides nothing."""

from chaos.report.files import write
from chaos.report.terminal import Terminal

__all__ = ["Terminal", "write"]
