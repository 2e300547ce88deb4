"""What people read: HTML, terminal, JUnit, Markdown, JSON. Renders; decides nothing."""
