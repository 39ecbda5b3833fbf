//! The member's side: vault, history, tickets, local page.

pub mod vault;
