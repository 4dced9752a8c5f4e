-- `access` is what a client was granted, as JSON; empty: all that the user may.
ALTER TABLE logins ADD COLUMN client TEXT NOT NULL DEFAULT 'weir-cli';
ALTER TABLE logins ADD COLUMN access TEXT NOT NULL DEFAULT '';
-- The key that its refresh token is bound to; none: any key (weir-cli: each of its processes has its own).
ALTER TABLE logins ADD COLUMN bound BLOB;
ALTER TABLE auth_codes ADD COLUMN client TEXT NOT NULL DEFAULT 'weir-cli';
ALTER TABLE auth_codes ADD COLUMN access TEXT NOT NULL DEFAULT '';
-- The login that the code gave: it ends when the code is used again.
ALTER TABLE auth_codes ADD COLUMN login TEXT;
CREATE TABLE device_codes (
    hash BLOB PRIMARY KEY, user_code BLOB NOT NULL UNIQUE, client TEXT NOT NULL, access TEXT NOT NULL, bound BLOB,
    address TEXT NOT NULL, program TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
    interval INTEGER NOT NULL, polled INTEGER NOT NULL, state TEXT NOT NULL, user TEXT REFERENCES users (id)
) STRICT;
-- Ids that count once (client assertions) or no more (revoked access tokens), until they would have expired anyway.
CREATE TABLE spent_ids (hash BLOB PRIMARY KEY, expires INTEGER NOT NULL) STRICT;
