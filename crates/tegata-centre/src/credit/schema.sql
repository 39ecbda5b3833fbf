-- Cards, and what is encrypted of them.

CREATE TABLE card (
    shop INTEGER NOT NULL,
    order_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (shop, order_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE secret (
    reference TEXT PRIMARY KEY NOT NULL,
    card BLOB NOT NULL
) STRICT;
