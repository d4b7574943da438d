"""What trying has cost a delivery, and how a provider is doing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
SUSPECT = sa.text("state IN ('due', 'waiting') AND deaths > 0")


def upgrade() -> None:
    """Nothing has been put off yet, and no provider has been tried.

    Every new column has a default of the database's own, so that a program one revision
    older may still write while it is being replaced.
    """
    for name in ("failures", "deaths"):
        number = sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        op.add_column("deliveries", number)
    op.add_column("deliveries", sa.Column("failing_since", UTC_TIME, nullable=True))
    op.create_index(
        "ix_deliveries_suspect",
        "deliveries",
        ["deaths", "not_before"],
        sqlite_where=SUSPECT,
        postgresql_where=SUSPECT,
    )
    # Nobody has ever written a row here: what it holds is new altogether.
    op.drop_table("provider_state")
    op.create_table(
        "provider_state",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("breaker", sa.String(length=8), nullable=False),
        sa.Column("open_until", UTC_TIME, nullable=True),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("failure_share", sa.Float(), nullable=False),
        sa.Column("said", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_state"),
    )
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("updated_at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_buckets"),
    )


def downgrade() -> None:
    """Forget it again."""
    op.drop_table("buckets")
    op.drop_table("provider_state")
    op.create_table(
        "provider_state",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("updated_at", UTC_TIME, nullable=False),
        sa.Column("breaker", sa.String(length=8), nullable=False),
        sa.Column("open_until", UTC_TIME, nullable=True),
        sa.Column("failure_share", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_state"),
    )
    op.drop_index("ix_deliveries_suspect", "deliveries")
    with op.batch_alter_table("deliveries") as table:
        table.drop_column("deaths")
        table.drop_column("failing_since")
        table.drop_column("failures")
