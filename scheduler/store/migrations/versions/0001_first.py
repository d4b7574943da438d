"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build every table."""
    op.create_table(
        "admin_sessions",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("last_seen_at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_admin_sessions"),
    )
    op.create_table(
        "audit",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "learners",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_learners"),
        sa.UniqueConstraint("address_key", name="uq_learners_address_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lesson_versions",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("course", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_lesson_versions"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "provider_state",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("updated_at", UTC_TIME, nullable=False),
        sa.Column("breaker", sa.String(length=8), nullable=False),
        sa.Column("open_until", UTC_TIME),
        sa.Column("failure_share", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_state"),
    )
    op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name="pk_suppressions"),
    )
    op.create_table(
        "used_links",
        sa.Column("link_hash", sa.String(length=64), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("link_hash", name="pk_used_links"),
    )
    op.create_table(
        "consents",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("learner_id", ROW_ID, nullable=False),
        sa.Column("enrollment_id", ROW_ID),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("ip_hash", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name="fk_consents_learner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_learner_id", "consents", ["learner_id"])
    op.create_table(
        "enrollments",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("learner_id", ROW_ID, nullable=False),
        sa.Column("course", sa.String(length=200), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("hour", sa.String(length=5), nullable=False),
        sa.Column("weekdays", sa.String(length=7), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("confirmed_at", UTC_TIME),
        sa.Column("completed_at", UTC_TIME),
        sa.Column("last_sent_at", UTC_TIME),
        sa.Column("next_due_at", UTC_TIME),
        sa.Column("paused_until", UTC_TIME),
        sa.Column("tzdata_version", sa.String(length=16), nullable=False),
        sa.Column("updated_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name="fk_enrollments_learner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrollments"),
        sa.UniqueConstraint(
            "learner_id", "course", "round", name="uq_enrollments_learner_id_course_round"
        ),
        sqlite_autoincrement=True,
    )
    _partial(
        "ix_enrollments_completed", "enrollments", ["completed_at"], "completed_at IS NOT NULL"
    )
    _partial(
        "ix_enrollments_pause_ends",
        "enrollments",
        ["paused_until"],
        "state = 'paused' AND paused_until IS NOT NULL",
    )
    _partial(
        "ix_enrollments_planned",
        "enrollments",
        ["next_due_at"],
        "state = 'active' AND next_due_at IS NOT NULL",
    )
    op.create_index("ix_enrollments_created_at_state", "enrollments", ["created_at", "state"])
    _partial("ix_enrollments_pending", "enrollments", ["created_at"], "state = 'pending'")
    _partial(
        "ix_enrollments_unplanned",
        "enrollments",
        ["updated_at"],
        "state = 'active' AND next_due_at IS NULL",
    )
    _partial(
        "uq_enrollments_open",
        "enrollments",
        ["learner_id", "course"],
        "state IN ('pending', 'active', 'paused')",
        unique=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("enrollment_id", ROW_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("to_addr", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", UTC_TIME, nullable=False),
        sa.Column("first_due_at", UTC_TIME, nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("dated_at", UTC_TIME),
        sa.Column("lesson_version", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("lease_owner", sa.String(length=200), nullable=False),
        sa.Column("lease_until", UTC_TIME),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("provider_ref", sa.String(length=255), nullable=False),
        sa.Column("verdict", sa.String(length=500), nullable=False),
        sa.Column("sending_at", UTC_TIME),
        sa.Column("settled_at", UTC_TIME),
        sa.Column("extra_copy", sa.Boolean(), nullable=False),
        sa.Column("resolved_at", UTC_TIME),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_deliveries_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "enrollment_id", "round", "key", name="uq_deliveries_enrollment_id_round_key"
        ),
    )
    _partial("ix_deliveries_claimable", "deliveries", ["not_before"], "state IN ('due', 'waiting')")
    _partial(
        "ix_deliveries_failed",
        "deliveries",
        ["settled_at"],
        "state IN ('dead', 'refused', 'uncertain')",
    )
    _partial(
        "ix_deliveries_in_hand", "deliveries", ["lease_until"], "state IN ('claimed', 'sending')"
    )
    _partial(
        "ix_deliveries_unresolved",
        "deliveries",
        ["settled_at"],
        "state = 'uncertain' AND resolved_at IS NULL",
    )
    op.create_table(
        "delivery_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_delivery_events_delivery_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_events"),
    )
    op.create_index("ix_delivery_events_delivery_id", "delivery_events", ["delivery_id"])


def downgrade() -> None:
    """Remove every table."""
    for table in (
        "delivery_events",
        "deliveries",
        "enrollments",
        "consents",
        "used_links",
        "suppressions",
        "provider_state",
        "meta",
        "lesson_versions",
        "learners",
        "audit",
        "admin_sessions",
    ):
        op.drop_table(table)


def _partial(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
