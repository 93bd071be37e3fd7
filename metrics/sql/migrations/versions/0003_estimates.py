"""What of a cost is an estimate, and whether there was a price at all.

Steps of before count as reported and priced: it was not written down.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the marks to steps, and to turns how much of their cost they are."""
    op.add_column("steps", sa.Column("estimated", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("steps", sa.Column("priced", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("turns", sa.Column("estimated_microusd", sa.BigInteger(), server_default="0", nullable=False))
