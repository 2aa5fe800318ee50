"""How PostgreSQL is used: pool, SQL files, batched statements, notifications and migrations."""
