-- What was made over the API: the keys of a [resources.NAME] table, as text. No secret.
CREATE TABLE resources (
    name TEXT PRIMARY KEY, definition TEXT NOT NULL, changed INTEGER NOT NULL, actor TEXT NOT NULL
) STRICT;
