-- Agents are a tree: `path` holds the ids from the root to the agent itself, so that what is below one is one range.
ALTER TABLE agents ADD COLUMN parent TEXT REFERENCES agents (id);
ALTER TABLE agents ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN max_depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN scope TEXT NOT NULL DEFAULT 'null';
ALTER TABLE agents ADD COLUMN budget TEXT NOT NULL DEFAULT '{}';
ALTER TABLE agents ADD COLUMN used_statements INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN used_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN hop TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}';
ALTER TABLE agents ADD COLUMN ended INTEGER;
ALTER TABLE agents ADD COLUMN ended_why TEXT;
UPDATE agents SET path = id;
CREATE UNIQUE INDEX agents_path ON agents (path);
CREATE INDEX agents_parent ON agents (parent);
CREATE TABLE tickets (
    hash BLOB PRIMARY KEY, parent TEXT NOT NULL REFERENCES agents (id), hop TEXT NOT NULL, expires INTEGER NOT NULL,
    redeemed INTEGER, redeemed_by TEXT REFERENCES agents (id)
) STRICT;
