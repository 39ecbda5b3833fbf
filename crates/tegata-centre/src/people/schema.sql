-- What is encrypted of people, and who was given which number.

CREATE TABLE application (
    id INTEGER PRIMARY KEY,
    role INTEGER NOT NULL,
    received INTEGER NOT NULL,
    details BLOB NOT NULL,
    number INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE invitation (
    number INTEGER PRIMARY KEY,
    activation_key BLOB NOT NULL,
    terms BLOB NOT NULL,
    granted INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE TABLE person (
    number INTEGER PRIMARY KEY,
    details BLOB NOT NULL
) STRICT;
