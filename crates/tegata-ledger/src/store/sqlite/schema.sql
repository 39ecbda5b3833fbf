-- The book, version 1. Every column is NOT NULL; what may be absent has a flag beside it, or is
-- empty where empty can mean nothing else. Positions are committer * 2^48 + sequence.

CREATE TABLE record (
    position   INTEGER NOT NULL PRIMARY KEY,
    previous   BLOB    NOT NULL,
    hash       BLOB    NOT NULL,
    kind       INTEGER NOT NULL,
    accepted   INTEGER NOT NULL,
    code       INTEGER NOT NULL,
    party      INTEGER NOT NULL,
    message    BLOB    NOT NULL,
    signer     INTEGER NOT NULL,
    evidence   BLOB    NOT NULL,
    attachment BLOB    NOT NULL, -- empty: none
    reply      BLOB    NOT NULL,
    effects    BLOB    NOT NULL,
    outbox     BLOB    NOT NULL, -- empty: none
    time       INTEGER NOT NULL
) STRICT;

CREATE TABLE leg (
    position   INTEGER NOT NULL,
    idx        INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    owner      INTEGER NOT NULL,
    part       INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    change     INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    balance    INTEGER NOT NULL,
    held_after INTEGER NOT NULL,
    PRIMARY KEY (position, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    kind     INTEGER NOT NULL,
    owner    INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    currency TEXT    NOT NULL,
    balance  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (kind, owner, part, currency)
) STRICT, WITHOUT ROWID;

-- Kept for ever: the same message twice has the effect of once.
CREATE TABLE message_id (
    party    INTEGER NOT NULL,
    message  BLOB    NOT NULL,
    digest   BLOB    NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (party, message)
) STRICT, WITHOUT ROWID;

-- Only of accepted records.
CREATE TABLE evidence (
    position   INTEGER NOT NULL PRIMARY KEY,
    bytes      BLOB    NOT NULL,
    attached   INTEGER NOT NULL,
    attachment BLOB    NOT NULL
) STRICT;

CREATE TABLE reply (
    position INTEGER NOT NULL PRIMARY KEY,
    bytes    BLOB    NOT NULL
) STRICT;

CREATE TABLE hold (
    payment     BLOB    NOT NULL PRIMARY KEY,
    payer_kind  INTEGER NOT NULL,
    payer_owner INTEGER NOT NULL,
    payer_part  INTEGER NOT NULL,
    payee_kind  INTEGER NOT NULL,
    payee_owner INTEGER NOT NULL,
    payee_part  INTEGER NOT NULL,
    currency    TEXT    NOT NULL,
    amount      INTEGER NOT NULL,
    shop        INTEGER NOT NULL,
    txn         INTEGER NOT NULL,
    placed      INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    captured    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- One index for "which have expired" and "whose are open": there are never many open holds.
CREATE INDEX hold_open ON hold (expires, payer_owner) WHERE state = 0;

CREATE TABLE bill (
    shop    INTEGER NOT NULL,
    txn     INTEGER NOT NULL,
    digest  BLOB    NOT NULL,
    state   INTEGER NOT NULL,
    payment BLOB    NOT NULL, -- empty: none
    PRIMARY KEY (shop, txn)
) STRICT, WITHOUT ROWID;

CREATE TABLE party (
    party  INTEGER NOT NULL PRIMARY KEY,
    record BLOB    NOT NULL
) STRICT;

CREATE TABLE funding_reference (
    reference    TEXT    NOT NULL PRIMARY KEY,
    party        INTEGER NOT NULL,
    announced    INTEGER NOT NULL,
    amount       INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    expires      INTEGER NOT NULL,
    used         INTEGER NOT NULL,
    used_account TEXT    NOT NULL,
    used_id      TEXT    NOT NULL,
    used_idx     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE statement (
    account    TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    bank_owner INTEGER NOT NULL,
    bank_part  INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    entries    INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    imported   INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE statement_entry (
    account    TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    idx        INTEGER NOT NULL,
    amount     INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    referenced INTEGER NOT NULL,
    reference  TEXT    NOT NULL,
    party      INTEGER NOT NULL, -- 0: suspense
    reason     INTEGER NOT NULL, -- 0: a member
    PRIMARY KEY (account, id, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_entry_suspense ON statement_entry (account, id, idx) WHERE party = 0;

-- What parties fetch; numbered from 1 for each party, without gaps.
CREATE TABLE outbox (
    position INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    party    INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (position, idx)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_number ON outbox (party, number);
