"""Feature flags, and who changed them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "flags",
        sa.Column("scope", sa.Text(), nullable=False, comment="a tenant; *: all of them"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="greater with each change"),
        sa.Column("value", sa.JSON(none_as_null=True), nullable=True, comment="null: none of its own"),
        sa.Column("rules", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_flags"),
    )
    op.create_table(
        "audit",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="whose: a tenant; *: all of them"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what: the flag's key"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="which the change made"),
        sa.Column("tenant", sa.Text(), nullable=False, comment="who: the tenant of the key"),
        sa.Column("by", sa.Text(), nullable=False, comment="who: the key's name"),
        sa.Column("ts_ms", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True, comment="null: it was not there"),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit"),
        sa.UniqueConstraint("scope", "subject", "version", name="uq_audit_scope"),
    )
    op.create_index("ix_audit_scope_ts_ms", "audit", ["scope", "ts_ms"], unique=False)
