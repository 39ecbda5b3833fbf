-- Version 2: cards, their receipts, and holds that wait for a card (state 4).

CREATE TABLE card (
    number   BLOB    NOT NULL PRIMARY KEY,
    holder   INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    currency TEXT    NOT NULL,
    state    INTEGER NOT NULL,
    counter  INTEGER NOT NULL,
    balance  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX card_holder ON card (holder, idx);

-- Each receipt counts once. Digests of 32 bytes, one behind the other: more than one, and the card was
-- copied.
CREATE TABLE card_receipt (
    card    BLOB    NOT NULL,
    counter INTEGER NOT NULL,
    digests BLOB    NOT NULL,
    PRIMARY KEY (card, counter)
) STRICT, WITHOUT ROWID;

DROP INDEX hold_open;
CREATE INDEX hold_open ON hold (expires, payer_owner) WHERE state IN (0, 4);
