-- The one punch that this gate orders for a ticket on a card, written down before the card hears of it.
CREATE TABLE punch (
    issuer   INTEGER NOT NULL,
    series   INTEGER NOT NULL,
    serial   INTEGER NOT NULL,
    id       BLOB    NOT NULL CHECK (length(id) = 16),
    terminal BLOB    NOT NULL CHECK (length(terminal) = 8),
    at       INTEGER NOT NULL,
    PRIMARY KEY (issuer, series, serial)
) STRICT, WITHOUT ROWID;
