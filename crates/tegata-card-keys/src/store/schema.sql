-- What the card-key server keeps. One file; see store/mod.rs. No key stands in it.

-- Every card that was ever given keys here.
CREATE TABLE card (
  csn BLOB NOT NULL PRIMARY KEY CHECK (length(csn) = 10),
  state TEXT NOT NULL
    CHECK (state IN ('personalising', 'active', 'blocked', 'terminating', 'terminated')),
  denied INTEGER NOT NULL CHECK (denied IN (0, 1)),
  -- 1: the purse must be read before anything else is ordered.
  look INTEGER NOT NULL CHECK (look IN (0, 1)),
  -- The last transaction whose receipt came, and the balance after it.
  counter INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  balance INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 2147483647),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  balance_limit INTEGER NOT NULL,
  debit_limit INTEGER NOT NULL,
  offline_limit INTEGER NOT NULL,
  -- Versions of the card's keys; 'next' is 0, or one that the card may or may not have by now.
  debit INTEGER NOT NULL CHECK (debit BETWEEN 1 AND 15),
  debit_next INTEGER NOT NULL CHECK (debit_next BETWEEN 0 AND 15),
  admin INTEGER NOT NULL CHECK (admin BETWEEN 1 AND 15),
  admin_next INTEGER NOT NULL CHECK (admin_next BETWEEN 0 AND 15),
  receipt INTEGER NOT NULL CHECK (receipt BETWEEN 1 AND 15),
  receipt_next INTEGER NOT NULL CHECK (receipt_next BETWEEN 0 AND 15)
) STRICT, WITHOUT ROWID;

-- Every order for money, kept before its bytes leave. 'pending': in doubt; all else is final.
CREATE TABLE money_order (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  csn BLOB NOT NULL REFERENCES card (csn),
  counter INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('debit', 'load', 'refund')),
  amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 2147483647),
  bill BLOB NOT NULL CHECK (length(bill) = 32),
  terminal BLOB NOT NULL CHECK (length(terminal) = 8),
  time INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'void', 'refused')),
  given INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_in_doubt ON money_order (csn) WHERE state = 'pending';

-- Every verified receipt, once per card and counter.
CREATE TABLE receipt (
  csn BLOB NOT NULL REFERENCES card (csn),
  counter INTEGER NOT NULL,
  bytes BLOB NOT NULL CHECK (length(bytes) = 100),
  PRIMARY KEY (csn, counter)
) STRICT, WITHOUT ROWID;

-- Why cards were denied: what was known and what came. Rows are never changed.
CREATE TABLE evidence (
  number INTEGER NOT NULL PRIMARY KEY,
  csn BLOB NOT NULL REFERENCES card (csn),
  found INTEGER NOT NULL,
  reason TEXT NOT NULL,
  known BLOB NOT NULL,
  came BLOB NOT NULL
) STRICT;
