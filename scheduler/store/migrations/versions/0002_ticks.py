"""What learners say they have done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build the table of ticks; nobody has done anything yet."""
    op.create_table(
        "ticks",
        sa.Column("enrollment_id", ROW_ID, nullable=False),
        sa.Column("lesson_key", sa.String(length=200), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("ticked_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_ticks_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("enrollment_id", "lesson_key", "item", name="pk_ticks"),
    )


def downgrade() -> None:
    """Remove it, with everything ticked."""
    op.drop_table("ticks")
