-- What a shop keeps. One file, written by one thread; see store/mod.rs.

-- Every request that was understood, with the reply that it got: for ever (T4).
CREATE TABLE request (
  sender INTEGER NOT NULL,
  message BLOB NOT NULL CHECK (length(message) = 16),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  reply BLOB NOT NULL,
  PRIMARY KEY (sender, message)
) STRICT, WITHOUT ROWID;

-- One performance, night, train or race meeting.
CREATE TABLE series (
  number INTEGER NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  secrets BLOB NOT NULL,
  record BLOB NOT NULL,
  next_serial INTEGER NOT NULL,
  held INTEGER NOT NULL CHECK (held >= 0),
  sold INTEGER NOT NULL CHECK (sold >= 0),
  edition INTEGER NOT NULL
) STRICT;

-- One bill, and what became of it. Empty blobs stand for "not yet" or "no longer".
CREATE TABLE sale (
  number INTEGER NOT NULL PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series (number),
  member INTEGER NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  state INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  request BLOB NOT NULL CHECK (length(request) = 32),
  bill_digest BLOB NOT NULL UNIQUE CHECK (length(bill_digest) = 32),
  bill BLOB NOT NULL,
  order_sealed BLOB NOT NULL,
  payment BLOB NOT NULL,
  capture BLOB NOT NULL,
  delivery BLOB NOT NULL
) STRICT;
CREATE INDEX sale_by_state ON sale (state, expires);
CREATE INDEX sale_by_member ON sale (member, state);
CREATE UNIQUE INDEX sale_by_payment ON sale (payment) WHERE length(payment) > 0;

-- Seats, rooms: who has which, over which nights or legs.
CREATE TABLE place (
  series INTEGER NOT NULL,
  place INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL CHECK (last > first),
  sale INTEGER NOT NULL REFERENCES sale (number),
  PRIMARY KEY (series, place, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX place_by_sale ON place (sale);

-- Every ticket that was ever issued (T2), as it was signed.
CREATE TABLE ticket (
  series INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  sale INTEGER NOT NULL REFERENCES sale (number),
  cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1)),
  signed BLOB NOT NULL,
  PRIMARY KEY (series, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_sale ON ticket (sale);

-- How far the centre's mailbox has been read.
CREATE TABLE mailbox (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  cursor INTEGER NOT NULL
) STRICT;
INSERT INTO mailbox (one, cursor) VALUES (1, 0);

-- One-time links to the owner's page: digests only.
CREATE TABLE owner_link (
  digest BLOB NOT NULL PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
