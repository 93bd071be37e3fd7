"""Turns may have been answered by what another question in other words got."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BEFORE = "hit or miss; null: the answer was not looked for"
_AFTER = "hit, near (a question in other words) or miss; null: not looked for"


def upgrade() -> None:
    """Say what the column may hold."""
    _comment(_AFTER, _BEFORE)


def downgrade() -> None:
    """Say what it held."""
    op.execute("UPDATE turns SET cache = 'hit' WHERE cache = 'near'")
    _comment(_BEFORE, _AFTER)


def _comment(text: str, existing: str) -> None:
    if op.get_context().dialect.supports_comments:
        op.alter_column("turns", "cache", existing_type=sa.Text(), comment=text, existing_comment=existing)
