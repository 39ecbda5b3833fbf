-- Sealed orders at the recipient; see tegata-orders. Secrets lie here only encrypted: under an epoch
-- key or an order key, which are files of their own. Empty blobs stand for "erased" or "none".

-- Keys that seal orders. `secret` is the opening half's seed with the signed record (of a shared key
-- that record is a secret itself), under the epoch key that `slot` names.
CREATE TABLE order_key (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  scheme TEXT NOT NULL,
  suite INTEGER NOT NULL,
  member INTEGER NOT NULL,
  source INTEGER NOT NULL,
  maker INTEGER NOT NULL,
  signer BLOB NOT NULL CHECK (length(signer) = 32),
  made INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  state INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  slot BLOB NOT NULL,
  secret BLOB NOT NULL,
  CHECK ((state = 1) = (length(secret) > 0))
) STRICT, WITHOUT ROWID;
CREATE INDEX order_key_by_state ON order_key (state, expires);
CREATE INDEX order_key_by_sent ON order_key (sent) WHERE sent < 2;

-- The upload that the service hasn't confirmed: the signed message, under an epoch key.
CREATE TABLE order_upload (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  slot BLOB NOT NULL,
  secret BLOB NOT NULL
) STRICT;

-- How far the keys that a service made have been fetched.
CREATE TABLE order_made (
  service INTEGER NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL
) STRICT;

-- Members from whom orders under member keys are taken (O12).
CREATE TABLE order_member (
  member INTEGER NOT NULL PRIMARY KEY,
  admitted INTEGER NOT NULL
) STRICT;

-- Every order that was taken: the digest of its sealed bytes, and the receipt. For ever.
CREATE TABLE order_receipt (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  sealed BLOB NOT NULL CHECK (length(sealed) = 32),
  receipt BLOB NOT NULL,
  received INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was inside, under the order key that `slot` names.
CREATE TABLE order_form (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  slot BLOB NOT NULL,
  secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX order_form_by_slot ON order_form (slot);
