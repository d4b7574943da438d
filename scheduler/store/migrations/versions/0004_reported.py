"""What becomes known about a mail after it was taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Nothing has been reported yet."""
    op.create_table(
        "provider_events",
        sa.Column("id", sa.String(length=150), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("fault", sa.String(length=16), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("taken_in_at", UTC_TIME, nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_provider_events_delivery_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_provider_events"),
    )
    op.create_index("ix_provider_events_delivery_id", "provider_events", ["delivery_id"])
    op.create_index("ix_provider_events_kind_at", "provider_events", ["kind", "at"])
    op.create_index("ix_provider_events_taken_in_at", "provider_events", ["taken_in_at"])


def downgrade() -> None:
    """Forget it again."""
    op.drop_table("provider_events")
