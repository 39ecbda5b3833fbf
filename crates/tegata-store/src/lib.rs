//! The one way in which our programs open a SQLite database, and write to it.
//!
//! A program describes its database once, as a static [`Database`]: what people call it, the steps
//! that lead to its tables, and whether what is deleted must be overwritten. [`Database::open`]
//! gives a [`Connection`] for one owner; [`Database::share`] gives a [`Shared`] with a writing
//! thread, for a server. SQL, and how rows become values, stay in the programs' own store modules.
//!
//! Whoever can write the file can do more than change rows: a trigger that ends with
//! `RAISE(IGNORE)` makes a statement succeed that has written nothing, a view hides rows, a missing
//! index lets in what must be unique. Four things stand against it:
//!
//! 1. SQLite is set not to run triggers nor to read views, and not to trust what the schema says.
//! 2. The whole schema is compared with what the program's own steps make, text by text, when a
//!    file is opened.
//! 3. Each transaction that writes begins by asking whether the schema has changed since, and if so
//!    compares it again before anything is written.
//! 4. Each statement that writes says how many rows it must change, and is an error otherwise.
//!
//! Who can write the file can also change and delete rows. That isn't noticed here: signatures,
//! chains and audits are for that.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

mod connection;
mod description;
mod error;
mod open;
mod row;
mod schema;
mod shared;

pub use connection::Connection;
pub use description::Database;
pub use error::StoreError;
pub use open::empty_log;
pub use row::Row;
pub use rusqlite::types::{FromSql, ToSql, ValueRef};
pub use rusqlite::{Params, params};
pub use shared::Shared;
