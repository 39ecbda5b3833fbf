-- The keys that open it.

-- AUTOINCREMENT: an erased application's id is never given to another.
CREATE TABLE application_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL
) STRICT;
CREATE TABLE person_key (number INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;
