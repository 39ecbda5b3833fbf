-- The log: one row for each admission, in the order of its chain.
CREATE TABLE admission (
    row          INTEGER PRIMARY KEY CHECK (row > 0),
    issuer       INTEGER NOT NULL,
    series       INTEGER NOT NULL,
    serial       INTEGER NOT NULL,
    presentation BLOB    NOT NULL CHECK (length(presentation) = 32),
    at           INTEGER NOT NULL,
    evidence     BLOB    NOT NULL,
    record       BLOB    NOT NULL,
    UNIQUE (issuer, series, serial)
) STRICT;

-- Other presentations of used tickets: evidence against whoever holds them.
CREATE TABLE second_use (
    number       INTEGER PRIMARY KEY,
    issuer       INTEGER NOT NULL,
    series       INTEGER NOT NULL,
    serial       INTEGER NOT NULL,
    presentation BLOB    NOT NULL CHECK (length(presentation) = 32),
    at           INTEGER NOT NULL,
    evidence     BLOB    NOT NULL,
    UNIQUE (issuer, series, serial, presentation)
) STRICT;

CREATE TABLE wrong_keyword (
    issuer INTEGER NOT NULL,
    series INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    tries  INTEGER NOT NULL CHECK (tries BETWEEN 1 AND 255),
    scan   BLOB    NOT NULL CHECK (length(scan) = 32),
    PRIMARY KEY (issuer, series, serial)
) STRICT, WITHOUT ROWID;

-- The newest edition of each event's check data that was ever loaded.
CREATE TABLE edition (
    issuer  INTEGER NOT NULL,
    series  INTEGER NOT NULL,
    edition INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (issuer, series)
) STRICT, WITHOUT ROWID;
