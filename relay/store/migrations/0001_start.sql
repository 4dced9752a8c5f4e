CREATE TABLE users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL, roles TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, locked_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE auth_codes (
    hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (id), redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE TABLE logins (
    id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users (id), created INTEGER NOT NULL, expires INTEGER NOT NULL,
    current BLOB NOT NULL, previous BLOB, revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX logins_current ON logins (current);
CREATE INDEX logins_previous ON logins (previous);
CREATE TABLE spent (hash BLOB PRIMARY KEY, login TEXT NOT NULL REFERENCES logins (id)) STRICT;
CREATE TABLE agents (
    id TEXT PRIMARY KEY, login TEXT NOT NULL REFERENCES logins (id), thumbprint BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, agent TEXT NOT NULL, user TEXT NOT NULL, resource TEXT NOT NULL, database TEXT NOT NULL,
    role TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER, close_reason TEXT,
    statements INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, masked INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0, recording_deleted INTEGER
) STRICT;
CREATE INDEX sessions_started ON sessions (started);
CREATE TABLE approvals (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, agent TEXT NOT NULL, user TEXT NOT NULL, resource TEXT NOT NULL,
    class TEXT NOT NULL, statement TEXT NOT NULL, parameters TEXT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL,
    requested INTEGER NOT NULL, expires INTEGER NOT NULL, decided_by TEXT, reason TEXT
) STRICT;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
    previous BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
