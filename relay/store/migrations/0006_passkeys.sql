-- A credential as the library that checks it stores it: JSON, with its public key and counter. No secret.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users (id), name TEXT NOT NULL, credential TEXT NOT NULL,
    added INTEGER NOT NULL, used INTEGER
) STRICT;
CREATE INDEX passkeys_user ON passkeys (user);
