-- What a sealing service keeps. One file; see store/mod.rs. No column of it opens an order that is
-- sealed with a key which the shop made.

-- Every message that was understood and changed something, with its reply: for ever (T4).
CREATE TABLE request (
  sender INTEGER NOT NULL,
  message BLOB NOT NULL CHECK (length(message) = 16),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  reply BLOB NOT NULL,
  PRIMARY KEY (sender, message)
) STRICT, WITHOUT ROWID;

-- The shops that are known, by the register's signed records.
CREATE TABLE party (
  number INTEGER NOT NULL PRIMARY KEY,
  record BLOB NOT NULL
) STRICT;

-- The kinds of keys that a shop ever had in stock. Suite 0: a shared key has none.
CREATE TABLE pile (
  recipient INTEGER NOT NULL,
  scheme TEXT NOT NULL,
  suite INTEGER NOT NULL,
  PRIMARY KEY (recipient, scheme, suite)
) STRICT, WITHOUT ROWID;

-- Every key that was ever in stock or made here. State 1: may be handed out; 2: belongs to one
-- order; 3: its time is over, and its bytes are gone. Rows stay, so that no key comes in twice.
CREATE TABLE order_key (
  number INTEGER NOT NULL PRIMARY KEY,
  recipient INTEGER NOT NULL,
  id BLOB NOT NULL CHECK (length(id) = 16),
  scheme TEXT NOT NULL,
  suite INTEGER NOT NULL,
  member INTEGER NOT NULL,
  source INTEGER NOT NULL CHECK (source IN (1, 2)),
  expires INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
  record BLOB NOT NULL,
  UNIQUE (recipient, id)
) STRICT;
CREATE INDEX order_key_in_stock
  ON order_key (recipient, scheme, suite, source, member, number, expires) WHERE state = 1;
CREATE INDEX order_key_by_end ON order_key (expires) WHERE state < 3;
CREATE INDEX order_key_by_member ON order_key (recipient, member) WHERE member <> 0;

-- Which key an order was given: the same one again, until its token expires.
CREATE TABLE handout (
  recipient INTEGER NOT NULL,
  order_number BLOB NOT NULL CHECK (length(order_number) = 16),
  scheme TEXT NOT NULL,
  suite INTEGER NOT NULL,
  key INTEGER NOT NULL REFERENCES order_key (number),
  until INTEGER NOT NULL,
  PRIMARY KEY (recipient, order_number, scheme, suite)
) STRICT, WITHOUT ROWID;
CREATE INDEX handout_by_end ON handout (until);

-- Keys that the service made, until their shop has them: record and wrapped seed.
CREATE TABLE made_key (
  recipient INTEGER NOT NULL,
  number INTEGER NOT NULL,
  record BLOB NOT NULL,
  seed BLOB NOT NULL,
  PRIMARY KEY (recipient, number)
) STRICT, WITHOUT ROWID;

-- How many keys were made for each shop, and up to which it has fetched them.
CREATE TABLE made_row (
  recipient INTEGER NOT NULL PRIMARY KEY,
  last INTEGER NOT NULL,
  fetched INTEGER NOT NULL CHECK (fetched <= last)
) STRICT;

-- The public log: every program that was ever handed out, with its signed entry.
CREATE TABLE program (
  sequence INTEGER NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  text TEXT NOT NULL,
  entry BLOB NOT NULL
) STRICT;
