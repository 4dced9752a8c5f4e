-- A request is kept as it was made, as JSON (`request`); beside it stands only what is looked for, and what changes.
-- `binding` is what an approval lets run: the digest of one request, or of all that fit what was granted.
CREATE TABLE requests (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, session TEXT, agent TEXT NOT NULL, user TEXT NOT NULL, resource TEXT NOT NULL,
    likeness TEXT NOT NULL, pattern TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, requested INTEGER NOT NULL,
    expires INTEGER NOT NULL, binding TEXT, granted TEXT, uses INTEGER NOT NULL DEFAULT 0, until INTEGER NOT NULL DEFAULT 0,
    decided INTEGER, decided_by TEXT, reason TEXT, review TEXT
) STRICT;
INSERT INTO requests (id, kind, session, agent, user, resource, likeness, pattern, request, state, requested, expires,
    decided_by, reason)
SELECT id, 'statement', session, agent, user, resource, digest, '', json_object('id', id, 'session', session, 'user', user,
    'agent', agent, 'resource', resource, 'class', class, 'statement', statement, 'parameters', json(parameters),
    'digest', digest, 'requested_at', requested, 'expires_at', expires), state, requested, expires, decided_by, reason
FROM approvals;
DROP TABLE approvals;
ALTER TABLE requests RENAME TO approvals;
CREATE INDEX approvals_state ON approvals (state);
CREATE INDEX approvals_user ON approvals (user, requested);
CREATE INDEX approvals_session ON approvals (session);
CREATE INDEX approvals_likeness ON approvals (likeness, state);
CREATE INDEX approvals_pattern ON approvals (pattern, user);
-- One person's word on a request, once.
CREATE TABLE approval_votes (
    approval TEXT NOT NULL REFERENCES approvals (id), user TEXT NOT NULL, at INTEGER NOT NULL, vote TEXT NOT NULL,
    PRIMARY KEY (approval, user)
) STRICT;
