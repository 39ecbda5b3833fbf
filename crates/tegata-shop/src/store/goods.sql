-- Version 2: goods by post. Nothing here says who ordered: the forms lie encrypted in tables of
-- their own (tegata-orders).

-- How many of a product are reserved and sold.
CREATE TABLE product (
  id TEXT NOT NULL PRIMARY KEY,
  held INTEGER NOT NULL CHECK (held >= 0),
  sold INTEGER NOT NULL CHECK (sold >= 0)
) STRICT, WITHOUT ROWID;

-- One order. Empty blobs and texts stand for "not yet", "none" or "no longer".
CREATE TABLE goods_order (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  number INTEGER NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  language TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  bill_digest BLOB NOT NULL,
  bill BLOB NOT NULL,
  card BLOB NOT NULL,
  card_token BLOB NOT NULL,
  card_reference TEXT NOT NULL,
  payment BLOB NOT NULL,
  capture BLOB NOT NULL,
  tracking TEXT NOT NULL,
  forget INTEGER NOT NULL CHECK (forget IN (0, 1))
) STRICT;
CREATE INDEX goods_order_by_state ON goods_order (state, expires);
CREATE INDEX goods_order_by_time ON goods_order (taken);
CREATE UNIQUE INDEX goods_order_by_bill ON goods_order (bill_digest) WHERE length(bill_digest) > 0;
CREATE UNIQUE INDEX goods_order_by_payment ON goods_order (payment) WHERE length(payment) > 0;

-- What was ordered.
CREATE TABLE goods_line (
  goods_order BLOB NOT NULL REFERENCES goods_order (id),
  line INTEGER NOT NULL,
  product TEXT NOT NULL,
  title TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  sum INTEGER NOT NULL,
  PRIMARY KEY (goods_order, line)
) STRICT, WITHOUT ROWID;

-- What happened to an order, and each time that somebody read its form.
CREATE TABLE goods_event (
  number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  goods_order BLOB NOT NULL REFERENCES goods_order (id),
  time INTEGER NOT NULL,
  what TEXT NOT NULL,
  by TEXT NOT NULL
) STRICT;
CREATE INDEX goods_event_by_order ON goods_event (goods_order);
