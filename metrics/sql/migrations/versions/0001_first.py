"""The first schema: tenants and keys, users and sessions, turns with all that belongs to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables, parents first."""
    _create_tenants()
    _create_api_keys()
    _create_users()
    _create_erasures()
    _create_sessions()
    _create_turns()
    _create_messages()
    _create_steps()
    _create_tool_calls()
    _create_feedback()


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenants"),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column(
            "key_hash", sa.Text(), nullable=False, comment="SHA-256 of the secret, in hex; the secret is kept nowhere"
        ),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_api_keys_tenant"),
        sa.PrimaryKeyConstraint("key_hash", name="pk_api_keys"),
        sa.UniqueConstraint("key_id", name="uq_api_keys_key_id"),
    )
    op.create_index("ix_api_keys_tenant", "api_keys", ["tenant"], unique=False)


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_users_tenant"),
        sa.PrimaryKeyConstraint("tenant", "user_id", name="pk_users"),
    )


def _create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_digest", sa.Text(), nullable=False, comment="SHA-256 of tenant and user_id, in hex"),
        sa.Column("erased_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_erasures_tenant"),
        sa.PrimaryKeyConstraint("tenant", "user_digest", name="pk_erasures"),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_turn_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant", "user_id"], ["users.tenant", "users.user_id"], name="fk_sessions_tenant"),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_tenant_user_id", "sessions", ["tenant", "user_id"], unique=False)


def _create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("turn_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True, comment="null: the user was erased; the numbers stay"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ttft_ms", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("context_size", sa.Integer(), nullable=False),
        sa.Column("retry_of", sa.Text(), nullable=True),
        sa.Column(
            "answer_id",
            sa.Text(),
            nullable=True,
            comment="the assistant's message, else the turn itself; null: it never began",
        ),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('completed', 'failed', 'cancelled')", name="ck_turns_outcome"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_turns_session_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_turns_tenant"),
        sa.PrimaryKeyConstraint("turn_id", name="pk_turns"),
    )
    op.create_index("ix_turns_retry_of", "turns", ["retry_of"], unique=False)
    op.create_index("ix_turns_session_id", "turns", ["session_id"], unique=False)
    op.create_index("ix_turns_tenant_ended_ms", "turns", ["tenant", "ended_ms"], unique=False)
    op.create_index("ix_turns_tenant_user_id_ended_ms", "turns", ["tenant", "user_id", "ended_ms"], unique=False)


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("turn_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="the words"),
        sa.Column(
            "parts",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="the content's parts, where it is not only words",
        ),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("ts_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("re", sa.Text(), nullable=True, comment="the sender's cid"),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("delivery", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sources", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("role IN ('user', 'assistant', 'operator')", name="ck_messages_role"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_messages_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.turn_id"], name="fk_messages_turn_id"),
        sa.PrimaryKeyConstraint("position", name="pk_messages"),
        sa.UniqueConstraint("message_id", name="uq_messages_message_id"),
    )
    op.create_index(
        "ix_messages_session_id_ts_ms_position", "messages", ["session_id", "ts_ms", "position"], unique=False
    )
    op.create_index("ix_messages_turn_id", "messages", ["turn_id"], unique=False)


def _create_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("turn_id", sa.Text(), nullable=False),
        sa.Column(
            "position", sa.Integer(), autoincrement=False, nullable=False, comment="the order in the turn, from 0"
        ),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("ttft_ms", sa.BigInteger(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.turn_id"], name="fk_steps_turn_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "position", name="pk_steps"),
    )


def _create_tool_calls() -> None:
    op.create_table(
        "tool_calls",
        sa.Column("turn_id", sa.Text(), nullable=False),
        sa.Column(
            "position", sa.Integer(), autoincrement=False, nullable=False, comment="the order in the turn, from 0"
        ),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("failed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.turn_id"], name="fk_tool_calls_turn_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "position", name="pk_tool_calls"),
    )


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="the principal: the user, or the service's key"),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("ts_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("score IN (-1, 1)", name="ck_feedback_score"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_feedback_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_feedback_tenant"),
        sa.PrimaryKeyConstraint("session_id", "message_id", "by", name="pk_feedback"),
    )
    op.create_index("ix_feedback_tenant_user_id", "feedback", ["tenant", "user_id"], unique=False)
