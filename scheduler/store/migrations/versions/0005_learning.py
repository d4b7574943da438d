"""What learners write for themselves, when they came by, and what they said as they left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nobody has written anything yet, and everybody may be nudged."""
    op.create_table(
        "notes",
        sa.Column("enrollment_id", ROW_ID, nullable=False),
        sa.Column("lesson_key", sa.String(length=200), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_notes_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("enrollment_id", "lesson_key", "item", name="pk_notes"),
    )
    op.add_column("enrollments", sa.Column("visited_at", UTC_TIME))
    op.add_column(
        "enrollments",
        sa.Column("nudges", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.add_column(
        "enrollments",
        sa.Column("left_because", sa.String(length=16), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Forget it again."""
    op.drop_column("enrollments", "left_because")
    op.drop_column("enrollments", "nudges")
    op.drop_column("enrollments", "visited_at")
    op.drop_table("notes")
