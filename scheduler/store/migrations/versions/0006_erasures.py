"""Addresses that providers still have to erase, and a way to find signups nobody confirmed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Whoever was erased before is not known here any more."""
    lapsed = sa.text("state = 'stopped' AND reason = 'expired'")
    op.create_index(
        "ix_enrollments_lapsed",
        "enrollments",
        ["created_at"],
        sqlite_where=lapsed,
        postgresql_where=lapsed,
    )
    op.create_table(
        "erasures",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "address", name="pk_erasures"),
    )


def downgrade() -> None:
    """Forget it again."""
    op.drop_table("erasures")
    op.drop_index("ix_enrollments_lapsed", table_name="enrollments")
