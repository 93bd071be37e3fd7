"""Why a turn was answered by these models, which experiment it was part of, and whether its answer was known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; turns of before have none."""
    op.add_column(
        "turns",
        sa.Column(
            "route",
            sa.Text(),
            nullable=True,
            comment="why these models: caller, flag:model, experiment:..., policy:..., agent, default",
        ),
    )
    op.add_column("turns", sa.Column("experiment", sa.Text(), nullable=True))
    op.add_column("turns", sa.Column("variant", sa.Text(), nullable=True))
    op.add_column(
        "turns",
        sa.Column("cache", sa.Text(), nullable=True, comment="hit or miss; null: the answer was not looked for"),
    )
    op.add_column("turns", sa.Column("saved_microusd", sa.BigInteger(), server_default="0", nullable=False))
