-- Users that others vouch for: people by their provider's issuer and subject; services by no issuer and their name.
CREATE TABLE foreign_users (
    issuer TEXT NOT NULL, subject TEXT NOT NULL, user TEXT NOT NULL UNIQUE REFERENCES users (id),
    PRIMARY KEY (issuer, subject)
) STRICT;
-- Tokens that were accepted once, by a digest, until they expire; and the key that presented them.
CREATE TABLE redeemed (digest BLOB PRIMARY KEY, key BLOB NOT NULL, expires INTEGER NOT NULL) STRICT;
